// Builds the library (tsc output, one file per module, with declarations) and the command (bundled by esbuild, split at
// dynamic imports, so that a run reads only the chunks it needs). The command is CommonJS: bin/chunks.js gives the
// reason.
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build, transform } from 'esbuild'
import { temporaryFolder } from './temporary.mjs'

const root = fileURLToPath(new URL('..', import.meta.url))
process.chdir(root)
rmSync('dist', { recursive: true, force: true })

const tsc = spawnSync(process.execPath, ['node_modules/typescript/bin/tsc', '-p', 'tsconfig.build.json'], {
  stdio: 'inherit',
})
if (tsc.status !== 0) process.exit(tsc.status ?? 1)

/** Modules of Node that take milliseconds to load and that many commands never call: the first call loads them. */
const CALLED_LATE = {
  'node:crypto': ['createHash', 'hash', 'randomBytes'],
  'node:tty': ['isatty'],
  'node:v8': ['setFlagsFromString'],
}

const calledLate = {
  name: 'called-late',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: /^node:/ }, ({ path }) =>
      path in CALLED_LATE ? { path, namespace: 'called-late', sideEffects: false } : undefined,
    )
    onLoad({ filter: /./, namespace: 'called-late' }, ({ path }) => {
      const calls = CALLED_LATE[path].map((name) => `export const ${name} = (...args) => loaded().${name}(...args)\n`)
      const loaded = `let module\nconst loaded = () => (module ??= process.getBuiltinModule('${path}'))\n`
      return { contents: loaded + calls.join('') }
    })
  },
}

/** The programs of worker threads, which are started by path, relative to the chunk that starts them. */
const WORKERS = {
  'write-worker': 'src/repo/stores/fs/threads/write-worker.ts',
  'object-worker': 'src/repo/stores/fs/threads/object-worker.ts',
  'deflate-worker': 'src/system/threads/deflate-worker.ts',
  'checkout-worker': 'src/repo/checkout/local/checkout-worker.ts',
  'local-layer-worker': 'src/container/import/lanes/local-layer-worker.ts',
}
/** The end of the name of the chunk with the program of a thread. */
const PROGRAM = '.program'

const { outputFiles } = await build({
  entryPoints: {
    main: 'src/cli/main.ts',
    ...Object.fromEntries(Object.entries(WORKERS).map(([name, path]) => [name + PROGRAM, path])),
  },
  outdir: 'dist/bin',
  bundle: true,
  splitting: true,
  write: false,
  format: 'esm',
  platform: 'node',
  target: 'node20.19',
  packages: 'external',
  plugins: [calledLate],
  legalComments: 'none',
  logLevel: 'warning',
})

// esbuild splits only ES modules, so each chunk is converted to CommonJS afterwards, and `import()` to `require`.
const META = `const importMeta={get url(){return require("node:url").pathToFileURL(__filename).href}};`
for (const { path, text } of outputFiles) {
  const { code } = await transform(text, {
    format: 'cjs',
    platform: 'node',
    target: 'node20.19',
    supported: { 'dynamic-import': false },
    define: { 'import.meta.url': 'importMeta.url' },
    banner: text.includes('import.meta.url') ? META : '',
    minifyWhitespace: true,
  })
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, code)
}
writeFileSync('dist/bin/package.json', '{ "type": "commonjs" }\n')
// Threads start in 60 instead of 100 ms of processor time when their chunks have code caches, too.
for (const name of Object.keys(WORKERS)) {
  writeFileSync(`dist/bin/${name}.js`, `require('../../bin/chunks.js').load('${name}${PROGRAM}.js')\n`)
}

// Records the V8 code caches of what short commands run, for this version of Node. Each run extends the caches of the
// last one.
const place = temporaryFolder(join(tmpdir(), 'ostree-ts-build'))
try {
  const repo = `--repo=${place}/repo`
  const runs = [
    ['--version'],
    ['init', repo, '--mode=bare-user-only'],
    ['commit', repo, '-b', 'main', '--canonical-permissions', 'bin'],
    ['commit', repo, '-b', 'other', '--canonical-permissions', '--tree=dir=scripts'],
    ...['log', 'show', 'ls', 'rev-parse'].map((name) => [name, repo, 'main']),
    ['cat', repo, 'main', 'ostree-ts'],
    ['diff', repo, 'other', 'main'],
    ['refs', repo],
    ['config', repo, 'get', 'core.mode'],
    ['checkout', repo, '-U', '-H', 'main', `${place}/out`],
    ['summary', repo, '-u'],
    ['fsck', repo],
    ['prune', repo, '--refs-only'],
    ['init', `--repo=${place}/other`, '--mode=archive'],
    ['pull-local', `--repo=${place}/other`, `${place}/repo`, 'main'],
    ['remote', repo, 'add', 'origin', 'https://example.com'],
    ['container', 'image', 'pull', `${place}/repo`, 'ostree-unverified-image:oci:examples/exampleos:1.0'],
    ['container', 'image', 'list', repo],
  ]
  for (const args of runs) {
    const { status, stderr } = spawnSync(process.execPath, ['scripts/record-chunks.cjs', ...args], { encoding: 'utf8' })
    if (status !== 0) throw new Error(`${args.join(' ')}: ${stderr}`)
  }
} finally {
  rmSync(place, { recursive: true })
}

// Completions and man pages, made from the tables of the options.
const { packageFiles } = await import('../dist/cli/completion/index.js')
const { COMMANDS } = await import('../dist/cli/command-list.js')
for (const [path, text] of await packageFiles(COMMANDS)) {
  mkdirSync(dirname(join('dist', path)), { recursive: true })
  writeFileSync(join('dist', path), text)
}

// bin/ostree-ts prints this file without starting Node.
const { stdout: version } = spawnSync(process.execPath, ['bin/ostree-ts', '--version'])
writeFileSync('dist/bin/version', version)
