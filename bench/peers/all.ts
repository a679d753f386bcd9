import { caddy } from './caddy.ts'
import { envoy } from './envoy.ts'
import { haproxy } from './haproxy.ts'
import { nginx } from './nginx.ts'
import { fastify, httpProxy3, undici } from './npm.ts'
import type { Peer } from './peer.ts'
import { postern, posternVariants } from './postern.ts'

/** In the order of the table; NGINX first, it is what the others are compared with. */
export const allPeers: readonly Peer[] = [
  nginx,
  postern,
  haproxy,
  envoy,
  caddy,
  undici,
  httpProxy3,
  fastify,
  ...posternVariants,
]
