export type {
  CompressionKind,
  CompressOptions,
  DecompressOptions,
  FileWriter,
  Hasher,
  LocalFiles,
  Platform,
  WritableFiles,
} from './interface.ts'
