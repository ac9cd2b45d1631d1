/**
 * Parses containers-policy.json(5), which says which images a host accepts. All container tools of a host share it.
 *
 *     {"default": [requirement…],
 *      "transports": {"docker": {"quay.io/a": [requirement…], "": [requirement…]}}}
 *
 * The parser is strict: a misspelt key is an error. Source: containers/image, signature/policy_config.go.
 */
import { FormatError } from '../../errors.ts'
import { asMembers, type JsonMembers, JsonObject, parseJsonMembers } from '../oci/json.ts'
import { duplicateKey } from './duplicate-key.ts'

/** A requirement that an image must meet. Its keys and identities are checked for their form, but not kept. */
export interface PolicyRequirement {
  readonly type: 'insecureAcceptAnything' | 'reject' | 'signedBy' | 'signedBaseLayer' | 'sigstoreSigned'
}

/** A container signature policy. Source: containers-policy.json(5). */
export interface SignaturePolicy {
  readonly default: readonly PolicyRequirement[]
  /** Requirements by transport, then by scope. The scope `''` is the whole transport. */
  readonly transports: ReadonlyMap<string, ReadonlyMap<string, readonly PolicyRequirement[]>>
}

const WHAT = 'policy'
const STRICT = { what: WHAT, anyCase: false }

/** Members that each type of requirement may have in addition to `type`. */
const REQUIREMENTS: ReadonlyMap<PolicyRequirement['type'], readonly string[]> = new Map([
  ['insecureAcceptAnything', []],
  ['reject', []],
  ['signedBy', ['keyType', 'keyPath', 'keyPaths', 'keyData', 'signedIdentity']],
  ['signedBaseLayer', ['baseLayerIdentity']],
  [
    'sigstoreSigned',
    [
      ...['keyPath', 'keyPaths', 'keyData', 'keyDatas', 'fulcio', 'pki', 'signedIdentity'],
      ...['rekorPublicKeyPath', 'rekorPublicKeyPaths', 'rekorPublicKeyData', 'rekorPublicKeyDatas'],
    ],
  ],
])
const IDENTITIES: ReadonlyMap<string, readonly string[]> = new Map([
  ['matchExact', []],
  ['matchRepoDigestOrExact', []],
  ['matchRepository', []],
  ['exactReference', ['dockerReference']],
  ['exactRepository', ['dockerRepository']],
  ['remapIdentity', ['prefix', 'signedPrefix']],
])
const KEY_TYPES = ['GPGKeys', 'signedByGPGKeys', 'X509Certificates', 'signedByX509CAs']
/** Transports whose scopes are absolute paths. */
const PATH_TRANSPORTS = ['dir', 'oci', 'oci-archive']

/**
 * Parses a policy.json. Unknown keys and keys that occur twice are errors, since a misspelt key must not admit an
 * image.
 * @throws {FormatError} when the document is not a policy; {LimitError} when it is too large
 */
export function parsePolicy(bytes: Uint8Array): SignaturePolicy {
  const members = parseJsonMembers(bytes, STRICT)
  const twice = duplicateKey(bytes)
  if (twice !== undefined) throw fault(`duplicate key ${JSON.stringify(twice)}`)
  onlyKnown(members, ['default', 'transports'], '')
  const fallback = members.get('default')
  if (fallback === undefined) throw fault('default policy is missing')
  const transports = [...objectAt(members.get('transports') ?? {}, 'transports')].map(([name, value]) => {
    const scopes = [...objectAt(value, `transports.${name}`)].map(([scope, list]) => {
      checkScope(name, scope)
      return [scope, readRequirements(list, `transports.${name}.${JSON.stringify(scope)}`)] as const
    })
    return [name, new Map(scopes)] as const
  })
  return { default: readRequirements(fallback, 'default'), transports: new Map(transports) }
}

/**
 * Whether the default of a policy accepts every image, as ostree-ext decides it: the default is a list of exactly one
 * requirement, of type `insecureAcceptAnything`. A missing default or one of any other form gives false.
 * @throws {FormatError} when the document is not a JSON object
 */
export function policyDefaultIsInsecure(bytes: Uint8Array): boolean {
  const list = parseJsonMembers(bytes, STRICT).get('default')
  if (!Array.isArray(list) || list.length !== 1) return false
  const [only] = list as [unknown]
  return typeof only === 'object' && only !== null && 'type' in only && only.type === 'insecureAcceptAnything'
}

function readRequirements(value: unknown, path: string): PolicyRequirement[] {
  if (!Array.isArray(value)) throw fault(`\`${path}\` must be a list`)
  // An empty list is an error; it does not mean that every image is accepted.
  if (value.length === 0) throw fault(`\`${path}\`: List of verification policy requirements must not be empty`)
  return value.map((item, index) => readRequirement(item, `${path}[${index}]`))
}

function readRequirement(value: unknown, path: string): PolicyRequirement {
  const members = objectAt(value, path)
  const type = [...REQUIREMENTS.keys()].find((known) => known === members.get('type'))
  if (type === undefined) throw fault(`\`${path}\`: unknown type of requirement ${JSON.stringify(members.get('type'))}`)
  onlyKnown(members, ['type', ...(REQUIREMENTS.get(type) ?? [])], path)
  if (type === 'signedBy' || type === 'sigstoreSigned') checkKeys(type, members, path)
  for (const name of ['signedIdentity', 'baseLayerIdentity']) {
    const identity = members.get(name)
    if (identity !== undefined) checkIdentity(identity, `${path}.${name}`)
  }
  return { type }
}

/** Checks that the keys of a requirement are given by exactly one member. @throws {FormatError} when they are not */
function checkKeys(type: 'signedBy' | 'sigstoreSigned', members: JsonMembers, path: string): void {
  const reader = new JsonObject(members, path, STRICT)
  if (type === 'signedBy' && !KEY_TYPES.includes(reader.string('keyType') ?? '')) {
    throw fault(`\`${path}.keyType\` must be one of ${KEY_TYPES.join(', ')}`)
  }
  const places = ['keyPath', 'keyPaths', 'keyData', 'keyDatas', 'fulcio', 'pki'].filter((name) => members.has(name))
  if (places.length !== 1) throw fault(`\`${path}\`: keys must be given in exactly one way, not ${places.length}`)
}

function checkIdentity(value: unknown, path: string): void {
  const members = objectAt(value, path)
  const type = members.get('type')
  const wanted = typeof type === 'string' ? IDENTITIES.get(type) : undefined
  if (wanted === undefined) throw fault(`\`${path}\`: unknown type of identity ${JSON.stringify(type)}`)
  onlyKnown(members, ['type', ...wanted], path)
  const reader = new JsonObject(members, path, STRICT)
  for (const name of wanted) reader.required(name, reader.string(name))
}

function checkScope(transport: string, scope: string): void {
  if (scope === '') return
  if (transport === 'docker-archive') throw fault('docker-archive has no scopes but ""')
  if (!PATH_TRANSPORTS.includes(transport)) return
  const plain = scope.startsWith('/') && !/\/$|\/\/|\/\.{1,2}(?:\/|$)/.test(scope)
  if (!plain) throw fault(`scope ${JSON.stringify(scope)} of ${transport} must be an absolute path without detours`)
}

function objectAt(value: unknown, path: string): JsonMembers {
  return asMembers(value, path, STRICT)
}

function onlyKnown(members: JsonMembers, known: readonly string[], path: string): void {
  for (const name of members.keys()) {
    if (!known.includes(name)) throw fault(`unknown key ${JSON.stringify(name)}${path === '' ? '' : ` in \`${path}\``}`)
  }
}

function fault(message: string): FormatError {
  return new FormatError(WHAT, `Invalid ${WHAT}: ${message}`)
}
