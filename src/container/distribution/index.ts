/**
 * A client for registries of images and artifacts: OCI distribution-spec 1.1, as registries implement it in practice. It
 * runs no other program, and needs only a `fetch` function.
 *
 * @module ostree-ts/registry
 */

export type { Descriptor, Digest, HostPlatform, StoredBlob } from '../oci/oci-types.ts'
export { formatRegistryReference, parseRegistryReference, type RegistryReference } from '../oci/registry-reference.ts'
export {
  type AuthFile,
  anonymousCredentials,
  type CredentialSource,
  type Credentials,
  credentialsFromFiles,
  parseAuthFile,
} from '../registry/credentials.ts'
export { type RegistryDiagnostic, RegistryError, type RegistryFailure, type RegistryPlace } from '../registry/errors.ts'
export type { RegistryOptions } from '../registry/options.ts'
export type { ReadBlobOptions, RegistryManifest, RegistryRepository, RepositoryOptions } from './interface.ts'
export { openRepository } from './repository.ts'
