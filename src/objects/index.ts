export * from './interface.ts'
export {
  checksumFromBytes,
  checksumToBytes,
  formatObjectName,
  isChecksum,
  isCollectionId,
  isMetaObject,
  isObjectType,
  loosePath,
  modifiedBase64,
  objectTypeFromNumber,
  objectTypeNumber,
  parseChecksum,
  parseLoosePath,
  parseModifiedBase64,
  parseObjectName,
  validateCollectionId,
} from './names.ts'
