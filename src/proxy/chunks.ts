export const chunkBytes = 65_536

/** Chunks kept for reuse on a worker. */
const sparesLimit = 64
const spares: Buffer[] = []

/** A buffer of `chunkBytes` to gather output in; to be given back once the socket has written it. */
export function takeChunk(): Buffer {
  return spares.pop() ?? Buffer.allocUnsafeSlow(chunkBytes)
}

export function giveChunkBack(chunk: Buffer): void {
  if (spares.length < sparesLimit && chunk.length === chunkBytes) spares.push(chunk)
}
