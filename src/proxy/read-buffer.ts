/**
 * Every connection to a backend reads into this one buffer: reads happen one at a time on a worker's thread, and what is
 * kept beyond the callback is copied. Saves an allocation per read.
 */
export const readBuffer = Buffer.allocUnsafeSlow(65_536)

/** Pieces up to this size are joined into one string and written with one call; larger ones are written as they are. */
export const smallBytes = 4096
