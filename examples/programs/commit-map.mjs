// Commits a Map of files, and prints the checksum: node commit-map.mjs REPO BRANCH
import { commitFiles, openStore } from 'ostree-ts/node'

const [where, branch] = process.argv.slice(2)
const files = new Map([['usr/bin/hello', { content: '#!/bin/sh\necho hello\n', mode: 0o755 }]])
files.set('usr/lib/os-release', 'ID=example\n').set('etc', { symlink: 'usr/etc' })
const { repo } = await openStore(where)
console.log((await commitFiles(repo, files, { branch, subject: 'From a map' })).commit)
await repo.close()
