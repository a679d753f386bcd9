import { h1Requests } from './h1-requests.ts'
import { h1Responses } from './h1-responses.ts'
import { h2Encoders } from './h2-encoders.ts'
import { h2Frames } from './h2-frames.ts'
import { hpackBlocks } from './hpack-blocks.ts'
import { hpackNghttp2 } from './hpack-nghttp2.ts'
import { judgements } from './judge.ts'
import { forms, materialStores, zipFiles } from './material.ts'
import type { Target } from './target.ts'
import { x509Certificates } from './x509-certificates.ts'
import { x509Crls } from './x509-crls.ts'
import { x509Names } from './x509-names.ts'
import { x509Ocsp } from './x509-ocsp.ts'
import { tlsFlights } from './tls-flights.ts'

export const targets: readonly Target[] = [
  h1Requests,
  h1Responses,
  hpackBlocks,
  hpackNghttp2,
  h2Frames,
  h2Encoders,
  tlsFlights,
  x509Certificates,
  x509Crls,
  x509Ocsp,
  x509Names,
  judgements,
  materialStores,
  zipFiles,
  forms,
]
