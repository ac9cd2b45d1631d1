/**
 * Loaded first into a process that is to die: it counts the calls that change files or an SQLite database, in each thread
 * by itself, and kills the process before one of them.
 *
 *   KILL_BEFORE   number of the call, from 0; nothing is killed without it
 *   KILL_THREAD   `main`, or `worker` for whichever worker thread comes to that call first
 *   KILL_COUNTS   a file to which each thread adds lines: its kind, its number of calls so far, and when the first one was
 */
const fs = require('node:fs')
const { Module, syncBuiltinESMExports } = require('node:module')
const threads = require('node:worker_threads')

const { isMainThread, Worker } = threads

const { KILL_BEFORE, KILL_THREAD, KILL_COUNTS } = process.env
const thread = isMainThread ? 'main' : 'worker'
const point = KILL_BEFORE !== undefined && KILL_THREAD === thread ? Number(KILL_BEFORE) : -1
const { appendFileSync } = fs
let calls = 0
/** When the first of them was, in milliseconds since the start of the thread. */
let first = 0

function count() {
  if (calls === 0) first = performance.now()
  if (calls++ === point) process.kill(process.pid, 'SIGKILL')
}

function counted(object, name) {
  const real = object[name]
  if (typeof real !== 'function') return
  object[name] = function (...args) {
    count()
    return Reflect.apply(real, this, args)
  }
}

const CHANGES = ['chmod', 'chown', 'link', 'mkdir', 'mkdtemp', 'rename', 'rm', 'rmdir', 'symlink', 'truncate', 'unlink']
const MORE = [
  'copyFile',
  'fchmod',
  'fchown',
  'fsync',
  'fdatasync',
  'ftruncate',
  'futimes',
  'lchown',
  'lutimes',
  'utimes',
]
for (const name of [...CHANGES, ...MORE, 'write', 'writev', 'writeFile']) {
  counted(fs, `${name}Sync`)
  counted(fs, name)
  counted(fs.promises, name)
}

// A file that is only read is opened without being counted.
for (const [object, name] of [
  [fs, 'openSync'],
  [fs.promises, 'open'],
]) {
  const real = object[name]
  object[name] = function (path, flags, ...rest) {
    const reads = flags === undefined || flags === 'r' || (typeof flags === 'number' && (flags & 3) === 0)
    if (!reads) count()
    const opened = Reflect.apply(real, this, [path, flags, ...rest])
    return opened instanceof Promise ? opened.then(withCountedWrites) : opened
  }
}

let handles = false
function withCountedWrites(handle) {
  if (!handles) {
    handles = true
    for (const name of ['write', 'writev', 'sync', 'datasync', 'truncate', 'utimes', 'chmod', 'chown']) {
      counted(Object.getPrototypeOf(handle), name)
    }
  }
  return handle
}
// Threads of the library get no options of the process.
threads.Worker = class extends Worker {
  constructor(program, options) {
    super(program, { ...options, execArgv: ['--require', __filename] })
  }
}
syncBuiltinESMExports()

// The statements of SQLite; what one of them writes is written by the library itself.
const load = Module._load
let sqlite = false
Module._load = function (request, ...rest) {
  const loaded = Reflect.apply(load, this, [request, ...rest])
  if (request !== 'better-sqlite3' || sqlite) return loaded
  sqlite = true
  counted(loaded.prototype, 'exec')
  const { prepare } = loaded.prototype
  let statements = false
  loaded.prototype.prepare = function (...args) {
    const statement = Reflect.apply(prepare, this, args)
    if (!statements) {
      statements = true
      counted(Object.getPrototypeOf(statement), 'run')
    }
    return statement
  }
  return loaded
}

// The commits of layers have the time at which they were made: the same in each run, so that runs can be compared.
Date.now = () => 1_704_164_645_000

if (KILL_COUNTS !== undefined) {
  if (isMainThread) process.on('exit', () => appendFileSync(KILL_COUNTS, `${thread} ${calls} ${first}\n`))
  else setInterval(() => appendFileSync(KILL_COUNTS, `${thread} ${calls} ${first}\n`), 20).unref()
}
