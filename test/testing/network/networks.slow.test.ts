/** The networks of the library pass the suite of networks. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import * as vitest from 'vitest'
import { type Fetch, type Network, webClock, webNetwork } from '../../../src/platform/index.ts'
import { nodeNetwork } from '../../../src/system/network.ts'
import { type NetworkPlace, networkSuite, nodeListener } from '../../../src/testing/index.ts'

async function listening(network: Network, answer: Fetch): Promise<NetworkPlace> {
  const server = createServer(nodeListener(answer))
  await new Promise<void>((resolve) => void server.listen(0, '127.0.0.1', resolve))
  return {
    network,
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections()
      await new Promise<void>((resolve) => void server.close(() => resolve()))
    },
  }
}

networkSuite(vitest, { name: 'of the web', start: (answer) => listening(webNetwork, answer) })
networkSuite(vitest, { name: 'of Node', start: (answer) => listening(nodeNetwork(), answer) })
networkSuite(vitest, {
  name: 'of Node with pipelining',
  start: (answer) => listening(nodeNetwork({ pipelining: true }), answer),
})
networkSuite(vitest, {
  name: 'without sockets',
  start: async (answer) => ({
    network: {
      clock: webClock,
      fetch: async (url, init) => {
        init.signal?.throwIfAborted()
        return answer(url, init)
      },
    },
    url: 'http://localhost',
    [Symbol.asyncDispose]: async () => {},
  }),
})
