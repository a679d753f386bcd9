/** Stand for an end and a start that cannot be read, in milliseconds: the first and the last moment that a Date can be. */
export const startOfTime = -8.64e15
export const endOfTime = 8.64e15
