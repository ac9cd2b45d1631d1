/** The codecs that contain no others. */

export * from './byte-arrays.ts'
export * from './numbers.ts'
export * from './strings.ts'
