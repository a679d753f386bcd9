import type { ConnectionStory } from '../dial/story.ts'
import type { Upstream } from './upstream.ts'

/** Without what is long. */
export function withoutChain(story: ConnectionStory): ConnectionStory {
  const { tls } = story
  return tls === null || tls.chain.length === 0 ? story : { ...story, tls: { ...tls, chain: [] } }
}

/** Of a connection that was there before, for spans: told once for all requests that it serves. */
export function shortStory(upstream: Upstream): ConnectionStory {
  let story = short.get(upstream)
  if (story === undefined) {
    story = withoutLists(upstream.story())
    short.set(upstream, story)
  }
  return story
}

/** How it was opened is told with the request that it was opened for. */
function withoutLists(story: ConnectionStory): ConnectionStory {
  const bare = { ...story, dns: null, attempts: [] }
  const { tls } = story
  if (tls === null) return bare
  const offered = { ...tls.offered, versions: [], ciphers: [], groups: [], signatureAlgorithms: [], alpn: [] }
  return { ...bare, tls: { ...tls, offered, chain: [] } }
}

const short = new WeakMap<Upstream, ConnectionStory>()
