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
    story = withoutChain(upstream.story())
    short.set(upstream, story)
  }
  return story
}

const short = new WeakMap<Upstream, ConnectionStory>()
