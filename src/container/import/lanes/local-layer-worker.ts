/** The program of a thread that imports layers. local-layer-threads.ts starts it. */

import type { MessagePort } from 'node:worker_threads'
import { nodePlatform } from '../../../platform/node.ts'
import type { RepoMode } from '../../../repo/index.ts'
import { loadForLanes, stagingTransaction } from '../../../repo/local.ts'
import { packError } from '../../../system/threads/thread-errors.ts'
import { bufferOf, runProgram } from '../../../system/threads/thread-program.ts'
import type { FromLane, LaneRequest, ToLane } from './interface.ts'
import { LaneProgram } from './lane-program.ts'

/** What a thread is started with. */
export interface LaneData {
  /** The mode of the repository whose files the thread writes; `undefined` if it sends their contents. */
  readonly mode: RepoMode | undefined
}

/** A layer to import. */
export interface PortRequest {
  readonly request: LaneRequest
  /** The messages about the layer. */
  readonly port: MessagePort
}

/** The answer: the work on the layer has ended. */
export type LaneStarted = 'ended'

runProgram<LaneData, PortRequest, LaneStarted>(({ mode }) => {
  if (mode !== undefined) loadForLanes(mode)
  return async ({ request, port }) => {
    const program = new LaneProgram(request, {
      platform: nodePlatform,
      stage: (place, settings, sender) => stagingTransaction(place, settings, sender),
      send: (message) => {
        if (message.kind === 'failed') port.postMessage({ ...message, error: packError(message.error) })
        else port.postMessage(message, buffersOf(message))
      },
    })
    port.on('message', (message: ToLane) => program.hear(message))
    await program.run()
    port.close()
    return { reply: 'ended' }
  }
})

/** Returns the buffers that a message moves. */
function buffersOf(message: FromLane): ReturnType<typeof bufferOf> {
  if (message.kind === 'batch') return bufferOf(message.batch.bytes)
  return message.kind === 'tar' ? bufferOf(message.bytes) : []
}
