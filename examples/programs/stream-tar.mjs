// Writes the root file system of an image as tar to stdout, until Ctrl-C: node stream-tar.mjs REFERENCE | tar -t
import { pipeline } from 'node:stream/promises'
import { unpackImage } from 'ostree-ts/node'

const stop = new AbortController()
process.once('SIGINT', () => stop.abort(new Error('stopped')))
const tar = unpackImage(process.argv[2], { as: 'tar' }, { signal: stop.signal })
await pipeline(tar, process.stdout, { signal: stop.signal })
