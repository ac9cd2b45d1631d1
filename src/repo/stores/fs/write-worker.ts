/** The writer thread: takes slabs of small files and makes loose files of them. Its other end is write-behind.ts. */

import { type MessagePort, workerData } from 'node:worker_threads'
import { IoError, OstreeError } from '../../../errors.ts'
import { nodePlatform } from '../../../platform/node.ts'
import { loadNative } from '../../node/native.ts'
import { contentModeOf } from './content-modes.ts'
import { type PackedSlab, unpackSlab } from './slab.ts'
import type { ToMain, ToWorker, WriterData } from './write-behind.ts'

const { port, settings } = workerData as WriterData & { port: MessagePort }
const content = contentModeOf(settings, nodePlatform, loadNative)

function tell(message: ToMain, transfer: ArrayBuffer[] = []): void {
  port.postMessage(message, transfer)
}

function write(slab: PackedSlab): void {
  try {
    unpackSlab(slab, (path, header, body) => content.create(path, header, body))
    tell({ kind: 'written', bytes: slab.bytes }, [slab.bytes.buffer as ArrayBuffer])
  } catch (error) {
    const { message, data } = error instanceof OstreeError ? error : new IoError(`${error}`, 'EIO')
    tell({ kind: 'failed', message, data: { ...data } })
  }
}

port.on('message', (message: ToWorker) => {
  if (message.kind === 'begin') content.begin(message.perObjectFsync)
  else write(message.slab)
})
tell({ kind: 'ready' })
