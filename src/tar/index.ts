export type { PaxRecord, TarEntryType, TarHeader, TarLimits, TarSink } from './interface.ts'
export { MAX_ENTRIES, MAX_EXTENSION_BYTES, MAX_FILE_BYTES, MAX_HOLE_BYTES, TarParser } from './parser.ts'
export { encodePaxRecord, parsePax, paxValue } from './pax.ts'
