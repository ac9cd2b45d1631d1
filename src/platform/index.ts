export type { CompressionKind, CompressOptions, DecompressOptions, Hasher, LocalFiles, Platform } from './interface.ts'
