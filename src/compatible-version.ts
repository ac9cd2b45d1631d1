/** The libostree version whose formats, options and messages this project implements. */
export const COMPATIBLE_VERSION = '2026.4'
