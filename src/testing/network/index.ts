export { FakeClock } from './clock.ts'
export {
  anyNetworkPlan,
  faultyNetwork,
  faultySource,
  type NetworkFault,
  type NetworkFaultKind,
  type NetworkPlan,
  type NetworkPlanOptions,
  printFault,
  printPlan,
} from './faults.ts'
export {
  MemoryRegistry,
  type RegistryAnswer,
  type RegistryBlob,
  type RegistryDocument,
  type RegistryReply,
  type RegistryRequest,
  registryFailure,
} from './registry.ts'
export { fetchFrom, nodeListener, serveFiles } from './servers.ts'
