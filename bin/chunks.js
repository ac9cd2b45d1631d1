/**
 * Loads the built command: CommonJS chunks, each with a V8 code cache, `dist/bin/NAME.js` and `dist/bin/NAME.js.cache`.
 * A cache that is missing or was made by another version of V8 only costs the time it would save. Node's own module
 * loader, which has no such cache before version 22, is not used.
 */
const { readFileSync } = require('node:fs')
const { Script } = require('node:vm')

const FOLDER = `${__dirname}/../dist/bin/`
const loaded = new Map()

function readIfThere(path) {
  try {
    return readFileSync(path)
  } catch {
    return undefined
  }
}

function load(name) {
  const known = loaded.get(name)
  if (known !== undefined) return known.exports
  const filename = FOLDER + name
  // The file is ASCII, as esbuild escapes all other characters.
  const source = `(function(exports,require,module,__filename){${readFileSync(filename, 'latin1')}\n})`
  const script = new Script(source, { filename, cachedData: readIfThere(`${filename}.cache`) })
  const module = { exports: {}, script }
  loaded.set(name, module)
  script.runInThisContext()(module.exports, requireFrom, module, filename)
  return module.exports
}

const requireFrom = (name) => (name.startsWith('./') ? load(name.slice(2)) : require(name))

module.exports = { load, loaded, FOLDER }
