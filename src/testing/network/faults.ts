/** Networks and image sources that fail by plan. */

import fc from 'fast-check'
import { encodeUtf8 } from '../../bytes.ts'
import type { Descriptor, ImageSource } from '../../container/index.ts'
import type { Clock, FetchInit, FetchResponse, Network } from '../../platform/index.ts'
import { block, printedAs } from '../printing.ts'
import { chunksOf } from './chunks.ts'

/**
 * What goes wrong:
 *
 * - `refuse`   there is no response; the error has the code ECONNREFUSED
 * - `status`   the response has the status `status`, and a short text
 * - `late`     the response begins after `delay` milliseconds
 * - `reset`    the body breaks off with the code ECONNRESET after `after` bytes
 * - `cut`      the body ends after `after` bytes, without an error
 * - `stall`    nothing follows after `after` bytes of the body, until the request is aborted
 * - `drip`     the bytes after `after` arrive one by one, `delay` milliseconds apart
 * - `flip`     one bit of the body is wrong, that of byte `after`, or of the last byte if the body is shorter
 * - `grow`     the body has `after` more bytes at its end
 */
export type NetworkFaultKind = 'refuse' | 'status' | 'late' | 'reset' | 'cut' | 'stall' | 'drip' | 'flip' | 'grow'

/** One fault of a plan. */
export interface NetworkFault {
  /** Number of the request that fails, from 0, of those with `url`. */
  readonly at: number
  readonly fault: NetworkFaultKind
  /** Requests in a row that fail. Default 1. */
  readonly times?: number | undefined
  /** Part of the URLs, or of the digests of a source, of the requests that are counted. Default: all are. */
  readonly url?: string | undefined
  /** Bytes, by `fault`. Default 0. */
  readonly after?: number | undefined
  /** Milliseconds, by `fault`. Default 1000. */
  readonly delay?: number | undefined
  /** HTTP status of `status`. Default 503. */
  readonly status?: number | undefined
}

/** A list of faults. The first that applies to a request takes effect. */
export type NetworkPlan = readonly NetworkFault[]

/** Prints a fault: `request 3 of blobs: reset after 100 bytes`. */
export function printFault({ at, fault, times = 1, url, after = 0, delay = 1000, status = 503 }: NetworkFault): string {
  const which = times === 1 ? `request ${at}` : `requests ${at} to ${at + times - 1}`
  const details: Readonly<Record<NetworkFaultKind, string>> = {
    refuse: '',
    status: ` ${status}`,
    late: ` by ${delay} ms`,
    reset: ` after ${after} bytes`,
    cut: ` after ${after} bytes`,
    stall: ` after ${after} bytes`,
    drip: ` after ${after} bytes, ${delay} ms each`,
    flip: ` byte ${after}`,
    grow: ` by ${after} bytes`,
  }
  return `${which}${url === undefined ? '' : ` of ${url}`}: ${fault}${details[fault]}`
}

/** Prints a plan, one line for each fault. */
export function printPlan(plan: NetworkPlan): string {
  return plan.length === 0 ? 'no faults' : block(plan.map(printFault))
}

/** Options of `anyNetworkPlan`. */
export interface NetworkPlanOptions {
  /** Default: all. */
  readonly faults?: readonly NetworkFaultKind[]
  /** Requests among which faults are. Default 10. */
  readonly requests?: number
  /** Default 3. */
  readonly maxFaults?: number
}

const ALL_FAULTS = ['reset', 'refuse', 'status', 'late', 'cut', 'stall', 'drip', 'flip', 'grow'] as const

/** Generates plans. They shrink to few faults at early requests. */
export function anyNetworkPlan(options: NetworkPlanOptions = {}): fc.Arbitrary<NetworkPlan> {
  const { faults = ALL_FAULTS, requests = 10, maxFaults = 3 } = options
  const fault = fc.record({
    at: fc.nat({ max: requests - 1 }),
    fault: fc.constantFrom(...faults),
    times: fc.constantFrom(1, 1, 2, 100),
    after: fc.oneof(fc.nat({ max: 40 }), fc.nat({ max: 5000 })),
    delay: fc.constantFrom(1000, 10_000, 100_000),
    status: fc.constantFrom(503, 500, 429, 404, 401),
  })
  return fc.array(fault, { maxLength: maxFaults }).map((plan) => printedAs<NetworkFault[]>(plan, printPlan))
}

/** Counts requests and finds the fault of each. */
class Plan {
  readonly #plan: NetworkPlan
  readonly #counts: number[]

  constructor(plan: NetworkPlan) {
    this.#plan = plan
    this.#counts = plan.map(() => 0)
  }

  next(url: string): NetworkFault | undefined {
    const hits = this.#plan.filter((fault, i) => {
      if (fault.url !== undefined && !url.includes(fault.url)) return false
      const number = this.#counts[i] as number
      this.#counts[i] = number + 1
      return number >= fault.at && number < fault.at + (fault.times ?? 1)
    })
    return hits[0]
  }
}

/** Makes the requests of a network fail by plan. Delays are those of its clock. */
export function faultyNetwork(network: Network, plan: NetworkPlan): Network {
  const faults = new Plan(plan)
  const { fetch, clock, ...rest } = network
  return {
    ...rest,
    clock,
    fetch: async (url, init) => {
      const fault = faults.next(url)
      if (fault?.fault === 'refuse') throw failure('connect ECONNREFUSED', 'ECONNREFUSED')
      if (fault?.fault === 'status') return statusResponse(fault.status ?? 503)
      if (fault?.fault === 'late') await pause(clock, fault.delay ?? 1000, init.signal)
      const response = await fetch(url, init)
      if (fault === undefined || fault.fault === 'late' || response.body === null) return response
      return { ...response, body: faultyBody(response.body, fault, clock, init.signal) }
    },
  }
}

/**
 * Makes the blobs of an image fail by plan; `at` counts blobs that are read, and `url` is a part of their digests. `refuse`
 * and `status` make reading fail at its first chunk. The result disposes of `source`.
 */
export function faultySource(source: ImageSource, plan: NetworkPlan, clock: Clock): ImageSource {
  const faults = new Plan(plan)
  const blob = (layer: Descriptor): AsyncIterable<Uint8Array> => {
    const fault = faults.next(layer.digest)
    const body = source.blob(layer)
    return fault === undefined ? body : faultyBody(body, fault, clock, undefined)
  }
  return new Proxy(source, {
    get(from, name) {
      if (name === 'blob') return blob
      const member = Reflect.get(from, name, from)
      return typeof member === 'function' ? member.bind(from) : member
    },
  })
}

function statusResponse(status: number): FetchResponse {
  const body = encodeUtf8('a planned fault\n')
  const headers = { 'content-type': 'text/plain', 'content-length': String(body.length) }
  return { status, headers: new Headers(headers), body: chunksOf(body) }
}

function failure(message: string, code: string): Error {
  return Object.assign(new Error(message), { code })
}

/** Waits. @throws the reason of the signal, as soon as it aborts */
function pause(clock: Clock, milliseconds: number | undefined, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const cancel = milliseconds === undefined ? undefined : clock.after(milliseconds, resolve)
    const abort = () => {
      cancel?.()
      reject(signal?.reason)
    }
    if (signal?.aborted) abort()
    else signal?.addEventListener('abort', abort, { once: true })
  })
}

async function* faultyBody(
  body: AsyncIterable<Uint8Array>,
  { fault, after = 0, delay = 1000 }: NetworkFault,
  clock: Clock,
  signal: FetchInit['signal'],
): AsyncGenerator<Uint8Array> {
  if (fault === 'refuse' || fault === 'status') throw failure('connect ECONNREFUSED', 'ECONNREFUSED')
  if (fault === 'late') await pause(clock, delay, signal)
  if (fault === 'flip') return yield* flipped(body, after)
  let passed = 0
  for await (const chunk of body) {
    if (fault === 'grow' || fault === 'late' || passed + chunk.length <= after) {
      passed += chunk.length
      yield chunk
      continue
    }
    const kept = Math.max(0, after - passed)
    passed += chunk.length
    if (kept > 0) yield chunk.slice(0, kept)
    if (fault !== 'drip') break
    for (const byte of chunk.subarray(kept)) {
      await pause(clock, delay, signal)
      yield Uint8Array.of(byte)
    }
  }
  if (fault === 'grow' && after > 0) yield new Uint8Array(after)
  if (fault === 'stall') await pause(clock, undefined, signal)
  if (fault === 'reset') throw failure('read ECONNRESET', 'ECONNRESET')
}

/** Flips the lowest bit of byte `at`, or of the last byte. */
async function* flipped(body: AsyncIterable<Uint8Array>, at: number): AsyncGenerator<Uint8Array> {
  let passed = 0
  let last: Uint8Array | undefined
  for await (const chunk of body) {
    if (chunk.length === 0) continue
    if (last !== undefined) yield last
    last = chunk.slice()
    const place = at - passed
    if (place >= 0 && place < last.length) last[place] = (last[place] as number) ^ 1
    passed += chunk.length
  }
  if (last === undefined) return
  if (at >= passed) last[last.length - 1] = (last[last.length - 1] as number) ^ 1
  yield last
}
