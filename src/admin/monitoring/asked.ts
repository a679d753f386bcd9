import { messageOf, PosternError } from '../../core/errors.ts'
import { ApiError } from '../api.ts'

/** What the store of the rollups answers; its refusals become those of the API. */
export async function asked<T>(work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof PosternError) || error instanceof ApiError) throw error
    if (!error.code.startsWith('monitoring-')) throw error
    const status = ofAsker.has(error.code) ? 400 : error.code === 'monitoring-off' ? 404 : 503
    throw new ApiError(status, error.code, messageOf(error), {}, error)
  }
}

const ofAsker: ReadonlySet<string> = new Set(['monitoring-range', 'monitoring-interval', 'monitoring-query'])
