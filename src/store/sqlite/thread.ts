import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { Broadcast } from './broadcast.ts'
import { type Connections, openConnections } from './connections.ts'
import { type Message, monotonicMs, type Notice, type Order, type Request } from './messages.ts'
import { sqliteFailure } from './problems.ts'
import { WriteQueue } from './write-queue.ts'

/**
 * The database thread: the only holder of connections to the SQLite file given as `workerData.file`. It serves each
 * port that its starter attaches until the port closes.
 */
function serve(connections: Connections, broadcast: Broadcast): void {
  const queue = new WriteQueue(connections.writer, () => broadcast.committed())
  parentPort?.on('message', (order: Order) => {
    switch (order.type) {
      case 'attach':
        return attach(order.port, connections, queue, broadcast)
      case 'stop':
        broadcast[Symbol.dispose]()
        connections[Symbol.dispose]()
        return process.exit(0)
    }
  })
}

function attach(port: MessagePort, { reader }: Connections, queue: WriteQueue, broadcast: Broadcast): void {
  port.on('message', (request: Request) => {
    switch (request.type) {
      case 'read':
        // Nobody waits for it any more; after a stall, answering such reads first would make the next ones late too.
        if (monotonicMs() > request.deadline) return
        try {
          return post(port, { type: 'done', id: request.id, result: reader.run(request) })
        } catch (error) {
          return post(port, { type: 'failed', id: request.id, error: sqliteFailure(error) })
        }
      case 'write':
      case 'append':
      case 'begin':
        return queue.enter(port, request)
      case 'run':
        return queue.run(port, request)
      case 'commit':
        return queue.commit(port, request)
      case 'rollback':
        return queue.rollback(port, request.lease)
      case 'follow':
        return broadcast.follow(port, request.after)
    }
  })
  port.on('close', () => {
    queue.leave(port)
    broadcast.leave(port)
  })
}

function post(port: MessagePort, message: Message): void {
  port.postMessage(message)
}

function notify(notice: Notice): void {
  parentPort?.postMessage(notice)
}

try {
  const connections = openConnections((workerData as { file: string }).file)
  serve(connections, new Broadcast(connections.reader))
  notify({ type: 'ready' })
} catch (error) {
  notify({ type: 'failed', ...sqliteFailure(error) })
}
