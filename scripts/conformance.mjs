#!/usr/bin/env node
// Runs libostree's own shell tests against our command. Debian's package ostree-tests installs them. Each test runs in
// a fresh directory with a wrapper named `ostree` first in PATH.
//
//   node scripts/conformance.mjs [--expect FILE] [--write-expect FILE] [--ostree PROGRAM] [--root DIRECTORY]
//                                [--jobs N] [--timeout SECONDS] [--tail LINES] [--all] [--own-httpd]
//                                [NAME…]
//
// Without names it runs the tests listed in the expect file, with --all every installed test. An expect file has one
// test per line; a number after it requires only that many points (single checks) of the test to pass.
//
// With --root the tests of another release are run, inside the directory that scripts/newest-ostree.sh makes. They see
// its programs, this project at its own path, and the Node that runs this script. That needs root.
//
// With --own-httpd the tests pull from `trivial-httpd` of the command instead of from ostree's.
//
// As root, each test runs in its own PID, network and mount namespaces, and the system's ostree is replaced by a
// program that fails, so that a test which calls it fails. Otherwise only the process group of a test is killed at its
// end.
import { spawn, spawnSync } from 'node:child_process'
import {
  accessSync,
  closeSync,
  constants,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { availableParallelism } from 'node:os'
import { basename, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { temporaryFolder } from './temporary.mjs'

const SUITE = '/usr/libexec/installed-tests/libostree'
const SYSTEM = '/usr/bin/ostree'
const ROOT = fileURLToPath(new URL('..', import.meta.url))
/** As installed this test always skips itself; it runs from a copy without the skip, with xattrs enabled. */
const UNSKIPPED = 'test-xattrs.sh'
/** Environment variables that would change the result of a test; removed. */
const UNWANTED =
  /^(OSTREE_|OT_|TEST_|G_TEST|G_DEBUG|G_MESSAGES|GI_|GNUPGHOME$|SOURCE_DATE_EPOCH$|TAR_OPTIONS$|LC_|LANGUAGE$|TZ$|https?_proxy$|HTTPS?_PROXY$)/

const SKIPS = 'skips itself'

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    expect: { type: 'string' },
    'write-expect': { type: 'string' },
    ostree: { type: 'string', default: join(ROOT, 'bin/ostree-ts') },
    jobs: { type: 'string', default: String(availableParallelism()) },
    timeout: { type: 'string', default: '600' },
    tail: { type: 'string', default: '0' },
    root: { type: 'string' },
    'own-httpd': { type: 'boolean', default: false },
  },
})
if (values.root !== undefined) process.exit(runInside(resolve(values.root)))

const expected = values.expect === undefined ? new Map() : readExpect(values.expect)
if (!existsSync(SUITE)) {
  console.log("libostree's tests are not installed: apt-get install ostree-tests")
  process.exit(process.env['REQUIRE_REFERENCE'] === '1' ? 1 : 0)
}
accessSync(values.ostree, constants.X_OK)

const work = temporaryFolder('/var/tmp/ostree-ts-conformance')
const unskipped = copyUnskipped()
const suiteOfAll = values['own-httpd'] ? copySuite('suite-own-httpd') : SUITE
const isolated = process.getuid?.() === 0 && spawnSync('unshare', [...namespaces(), 'true']).status === 0

const tests = chosen()
const results = new Map()
const waiting = [...tests]
await Promise.all(Array.from({ length: Math.max(1, Number(values.jobs)) }, worker))
finish()

/**
 * Runs this script again inside another root directory, in a mount namespace that ends with it.
 * @returns its exit status
 */
function runInside(root) {
  const options = Object.entries(values).flatMap(([name, value]) => {
    if (name === 'root' || value === false) return []
    if (!['ostree', 'expect', 'write-expect'].includes(name))
      return value === true ? [`--${name}`] : [`--${name}=${value}`]
    if (!resolve(value).startsWith(ROOT))
      throw new Error(`${value} is outside of the project, all of the system that the tests see`)
    return [`--${name}=${resolve(value)}`]
  })
  const node = '/run/bin/node'
  const mounts = [
    'set -e',
    'mount --bind "$1" "$1"',
    'mount -t proc proc "$1/proc"',
    'mount --rbind /dev "$1/dev"',
    'mount --rbind /sys "$1/sys"',
    'mount -t tmpfs -o mode=755 tmpfs "$1/run"',
    `mkdir "$1/run/bin" && touch "$1${node}"`,
    `mount --bind "$2" "$1${node}"`,
    'mkdir -p "$1$3"',
    'mount --bind "$3" "$1$3"',
    'root=$1 project=$3; shift 3',
    'export HOME=/root PATH=/run/bin:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; unset TMPDIR NODE_EXTRA_CA_CERTS',
    `exec chroot "$root" ${node} "$project/scripts/conformance.mjs" "$@"`,
  ].join('\n')
  const project = ROOT.replace(/\/$/, '')
  const args = ['--mount', 'sh', '-c', mounts, 'sh', root, process.execPath, project, ...options, ...positionals]
  return spawnSync('unshare', args, { stdio: 'inherit' }).status ?? 1
}

function readExpect(path) {
  const lines = readFileSync(path, 'utf8')
    .split('\n')
    .map((line) => line.replace(/#.*/, '').trim().split(/\s+/))
  return new Map(lines.filter(([name]) => name !== '').map(([name, points]) => [name, points && Number(points)]))
}

/** Returns the tests to run, ordered by their length as an estimate of their duration, the longest first. */
function chosen() {
  const there = readdirSync(SUITE).filter((name) => /^test-.*\.(sh|py)$/.test(name))
  const wanted = positionals.map(
    (name) => there.find((test) => test === name || test.replace(/\.\w+$/, '') === name) ?? name,
  )
  const names = wanted.length > 0 ? wanted : values.all || expected.size === 0 ? there : [...expected.keys()]
  const missing = names.filter((name) => !there.includes(name))
  if (missing.length > 0) throw new Error(`no such test: ${missing.join(', ')}`)
  const weight = (name) => (/^test-basic/.test(name) ? 1e6 : readFileSync(join(SUITE, name), 'utf8').length)
  return names.sort((a, b) => weight(b) - weight(a))
}

/** Returns a copy of the tests. There they find no server beside them, and use the one of the command `ostree`. */
function copySuite(name) {
  const copy = join(work, 'suites/libostree', name)
  cpSync(SUITE, copy, { recursive: true, verbatimSymlinks: true })
  const server = join(copy, 'ostree-trivial-httpd')
  if (existsSync(server)) {
    rmSync(server)
    writeFileSync(server, '#!/bin/sh\nexec ostree trivial-httpd "$@"\n', { mode: 0o755 })
  }
  return copy
}

function copyUnskipped() {
  const copy = join(work, 'suite')
  cpSync(SUITE, copy, { recursive: true, verbatimSymlinks: true })
  const edit = (name, from, to) =>
    writeFileSync(join(copy, name), readFileSync(join(copy, name), 'utf8').replace(from, to))
  edit('libtest.sh', /^_have_selinux_relabel=''$/m, '_have_selinux_relabel=yes')
  edit(UNSKIPPED, /^skip "We don.t really have.*$/m, ':')
  return copy
}

/** Returns arguments of `unshare`. A network namespace is used only if `ip` can bring up its loopback interface. */
function namespaces() {
  const network = spawnSync('ip', ['-V']).status === 0 ? ['--net'] : []
  return [...network, '--mount', '--pid', '--fork', '--kill-child', '--mount-proc', '--']
}

async function worker() {
  for (let name = waiting.shift(); name !== undefined; name = waiting.shift()) {
    const started = Date.now()
    const result = await runTest(name)
    results.set(name, result)
    const seconds = ((Date.now() - started) / 1000).toFixed(1)
    const { passed, skipped, why, points, total } = result
    const head = `[${results.size}/${tests.length}] ${passed ? 'pass' : skipped ? 'skip' : 'FAIL'}`
    console.log(`${head} ${points}/${total} ${name} ${seconds} s${why === '' ? '' : ` (${why})`}`)
    if (!passed && !skipped && Number(values.tail) > 0) {
      for (const line of result.log.trimEnd().split('\n').slice(-Number(values.tail))) console.log(`    | ${line}`)
    }
  }
}

async function runTest(name) {
  const place = mkdtempSync(join(work, 't'))
  const suite = name === UNSKIPPED ? unskipped : suiteOfAll
  const file = (path) => join(place, path)
  for (const directory of ['bin', 'cwd']) mkdirSync(file(directory))
  writeFileSync(file('bin/ostree'), `#!/bin/sh\nexec '${resolve(values.ostree)}' "$@"\n`, { mode: 0o755 })
  // The first Python in PATH may lack modules that Debian's has.
  if (existsSync('/usr/bin/python3')) symlinkSync('/usr/bin/python3', file('bin/python3'))
  writeFileSync(file('guard'), `#!/bin/sh\necho "$@" >> '${file('leaks')}'\nexit 99\n`, { mode: 0o755 })
  const guarded = existsSync(SYSTEM) && !readFileSync(join(suite, name), 'utf8').includes(SYSTEM)
  const setUp = `ip link set lo up 2>/dev/null; ${guarded ? `mount --bind '${file('guard')}' ${SYSTEM}; ` : ''}exec "$@"`
  const inside = isolated ? ['unshare', ...namespaces(), 'sh', '-c', setUp, 'sh'] : []
  const [program, ...args] = [...inside, join(suite, name)]

  const log = openSync(file('log'), 'w')
  const child = spawn(program, args, {
    cwd: file('cwd'),
    env: environment(file('bin'), suite),
    stdio: ['ignore', log, log],
    detached: true,
  })
  closeSync(log)
  const end = () => {
    try {
      process.kill(-child.pid, 'SIGKILL')
    } catch {} // all processes have ended
  }
  let timedOut = false
  const timer = setTimeout(() => {
    timedOut = true
    end()
  }, Number(values.timeout) * 1000)
  const status = await new Promise((done) => child.on('close', done).on('error', () => done(127)))
  clearTimeout(timer)
  end()
  const text = readFileSync(file('log'), 'utf8')
  const leaked = existsSync(file('leaks'))
  rmSync(place, { recursive: true, force: true, maxRetries: 3 })
  return judge(text, { status, timedOut, leaked })
}

function environment(bin, suite) {
  const kept = Object.entries(process.env).filter(([name]) => !UNWANTED.test(name))
  return {
    ...Object.fromEntries(kept),
    PATH: `${bin}:${process.env['PATH'] ?? ''}:/usr/local/sbin:/usr/sbin:/usr/bin:/sbin:/bin`,
    LANG: 'C.UTF-8',
    G_TEST_SRCDIR: suite,
    G_TEST_BUILDDIR: suite,
    OSTREE_TEST_ALLOW_RANDOM: '1',
    ...(process.getuid?.() === 0 ? { OSTREE_TEST_SUDO: '1' } : {}),
  }
}

/** Evaluates the output of a test as TAP: `ok …`, `not ok …`, `1..N`. */
function judge(log, { status, timedOut, leaked }) {
  const lines = log.split('\n')
  const skip = /#\s*skip\b/i
  const good = lines.filter((line) => /^ok\b/.test(line) && !skip.test(line)).length
  const bad = lines.filter((line) => /^not ok\b/.test(line)).length
  const left = lines.filter((line) => /^ok\b/.test(line) && skip.test(line)).length
  const plan = lines.map((line) => /^1\.\.(\d+)/.exec(line)?.[1]).find((count) => count !== undefined)
  const done = good + bad + left
  const total = Math.max(plan === undefined ? done : Number(plan), done) - left
  let why = ''
  if (timedOut) why = 'timed out'
  else if (status === 77 || plan === '0') why = SKIPS
  else if (status !== 0) why = `exit status ${status}`
  else if (bad > 0) why = `${bad} not ok`
  else if (good < total) why = `${total - good} points missing`
  else if (good === 0) why = 'no points'
  else if (leaked) why = `the system's ${basename(SYSTEM)} was called`
  return { passed: why === '', skipped: why === SKIPS, why, points: good, total, log }
}

function finish() {
  const failures = []
  for (const [name, points] of expected) {
    const result = results.get(name)
    if (result === undefined) continue
    if (points === undefined ? !result.passed : result.points < points) {
      failures.push(`${name}: ${result.points} of ${points ?? result.total} points expected (${result.why})`)
    }
  }
  if (values['write-expect'] !== undefined) {
    const line = ([name, { passed, points }]) => (passed ? `${name}\n` : points > 0 ? `${name} ${points}\n` : '')
    writeFileSync(
      values['write-expect'],
      [...results]
        .sort(([a], [b]) => (a < b ? -1 : 1))
        .map(line)
        .join(''),
    )
  }
  const all = [...results.values()]
  const ran = all.filter(({ skipped }) => !skipped)
  const sum = (of) => all.reduce((total, result) => total + result[of], 0)
  for (const failure of failures) console.log(`lost: ${failure}`)
  console.log(
    `${all.filter(({ passed }) => passed).length} of ${ran.length} tests, ${sum('points')} of ${sum('total')} points`,
  )
  process.exitCode = failures.length > 0 ? 1 : 0
}
