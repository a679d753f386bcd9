import { h1Requests } from './h1-requests.ts'
import { h1Responses } from './h1-responses.ts'
import { h2Encoders } from './h2-encoders.ts'
import { h2Frames } from './h2-frames.ts'
import { hpackBlocks } from './hpack-blocks.ts'
import { hpackNghttp2 } from './hpack-nghttp2.ts'
import type { Target } from './target.ts'
import { tlsFlights } from './tls-flights.ts'

export const targets: readonly Target[] = [
  h1Requests,
  h1Responses,
  hpackBlocks,
  hpackNghttp2,
  h2Frames,
  h2Encoders,
  tlsFlights,
]
