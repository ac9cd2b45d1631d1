/** The program of a thread that compresses streams with the bytes of zlib. deflate-threads.ts starts it. */

import { type ExactStream, loadExactDeflate } from '../../platform/internal.ts'
import type { Deflated, DeflatePart } from './deflate-threads.ts'
import { packError } from './thread-errors.ts'
import { type Answer, runProgram } from './thread-program.ts'

runProgram<object, DeflatePart, Deflated>(() => {
  /** The streams that have begun and not ended, by number. */
  const streams = new Map<number, ExactStream>()
  return async ({ stream, level, bytes, last }): Promise<Answer<Deflated>> => {
    try {
      const deflate = streams.get(stream) ?? (await loadExactDeflate()).stream(level)
      if (last) streams.delete(stream)
      else streams.set(stream, deflate)
      const pieces = deflate.push(bytes, last)
      return { reply: { kind: 'deflated', pieces }, transfer: pieces.map(({ buffer }) => buffer) }
    } catch (error) {
      return { reply: { kind: 'failed', error: packError(error) } }
    }
  }
})
