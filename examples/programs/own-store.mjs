// Pulls an image into a store of one's own, here one in memory that counts its calls: node own-store.mjs REFERENCE
import { createMemoryStorage, nodePlatform as platform, pullImage, Repo } from 'ostree-ts/node'

const calls = {}
function get(from, name) {
  const member = from[name]
  if (typeof member !== 'function') return /^(?:objects|refs)$/.test(name) ? new Proxy(member, { get }) : member
  calls[name] = (calls[name] ?? 0) + 1
  return member.bind(from)
}
const repo = await Repo.open(new Proxy(createMemoryStorage({ platform }), { get }), platform)
console.log((await pullImage(repo, process.argv[2])).mergeCommit, calls)
