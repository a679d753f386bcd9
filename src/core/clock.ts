/** Milliseconds since the epoch. Injectable wherever time is the subject of a test. */
export type Clock = () => number

export const systemClock: Clock = Date.now
