export { hideParameters, isCredentialHeader, isCredentialParameter } from '../observe/credentials.ts'
