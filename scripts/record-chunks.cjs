// Runs the built command and stores V8's code cache beside each chunk; see bin/chunks.js.
const { writeFileSync } = require('node:fs')
const { FOLDER, load, loaded } = require('../bin/chunks.js')

process.on('exit', () => {
  for (const [name, { script }] of loaded) writeFileSync(`${FOLDER}${name}.cache`, script.createCachedData())
})
load('main.js')
