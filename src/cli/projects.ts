import type { ProjectView } from '#admin/project-view.ts'
import { Problem } from '#core/problems.ts'
import { callAdmin } from './admin-client.ts'
import { parse } from './arguments.ts'
import type { Command, Io } from './command.ts'
import { commandTable } from './command-table.ts'
import { readSettings } from './key-options.ts'
import { renderTable } from './table.ts'

const { commands: described } = commandTable.projects
const commands: Readonly<Record<keyof typeof described, Command>> = { create, list, show, update, delete: remove }

/** `ostiary projects …`. */
export async function projectsCommand([name, ...args]: string[], io: Io): Promise<number> {
  return commands[name as keyof typeof commands](args, io)
}

type Shown = { readonly project: ProjectView }

async function create(args: string[], io: Io): Promise<number> {
  const { name, description, json, ...settings } = parse(args, described.create.options).values
  if (name === undefined) throw new Problem('cli.usage', { detail: '--name is missing.' })
  const body = { name, ...(description !== undefined && { description }), ...readSettings(settings) }
  const answer = (await callAdmin(io, 'POST', '/api/projects', body)) as Shown
  return json ? printJson(io, answer) : print(io, `${answer.project.id} ${answer.project.name}`)
}

async function list(args: string[], io: Io): Promise<number> {
  const { json } = parse(args, described.list.options).values
  const projects: ProjectView[] = []
  for (let next: string | null = ''; next !== null; ) {
    const after = next && `&after=${encodeURIComponent(next)}`
    const page = (await callAdmin(io, 'GET', `/api/projects?limit=1000${after}`)) as {
      projects: ProjectView[]
      next: string | null
    }
    projects.push(...page.projects)
    next = page.next
  }
  if (json) return printJson(io, projects)
  const rows = projects.map(project => [project.id, project.name, project.description ?? ''])
  io.stdout.write(rows.length === 0 ? 'No projects.\n' : renderTable(['ID', 'NAME', 'DESCRIPTION'], rows))
  return 0
}

async function show(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, described.show.options, true)
  const answer = await find(io, positionals)
  if (values.json) return printJson(io, answer)
  const rows = Object.entries(answer.project).filter(([, value]) => value !== null)
  const lines = rows.map(([name, value]) => {
    const text = typeof value === 'object' ? JSON.stringify(value) : value
    return `${name.padEnd(12)} ${text}\n`
  })
  io.stdout.write(lines.join(''))
  return 0
}

async function update(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, described.update.options, true)
  const { name, description, json, ...settings } = values
  const body = {
    ...(name !== undefined && { name }),
    ...(description !== undefined && { description }),
    ...readSettings(settings),
  }
  if (Object.keys(body).length === 0) throw new Problem('cli.usage', { detail: 'Name what is to change.' })
  const { id } = (await find(io, positionals)).project
  const answer = (await callAdmin(io, 'PATCH', `/api/projects/${id}`, body)) as Shown
  return json ? printJson(io, answer) : print(io, `${id} is changed.`)
}

async function remove(args: string[], io: Io): Promise<number> {
  const { values, positionals } = parse(args, described.delete.options, true)
  const { id, name } = (await find(io, positionals)).project
  const answer = await callAdmin(io, 'DELETE', `/api/projects/${id}`)
  return values.json ? printJson(io, answer) : print(io, `${id} ${name} is deleted.`)
}

async function find(io: Io, positionals: readonly string[]): Promise<Shown> {
  const [named] = positionals
  if (named === undefined || positionals.length > 1) {
    throw new Problem('cli.usage', { detail: 'Name one project by its id or name.' })
  }
  return (await callAdmin(io, 'GET', `/api/projects/${encodeURIComponent(named)}`)) as Shown
}

function print(io: Io, line: string): 0 {
  io.stdout.write(`${line}\n`)
  return 0
}

function printJson(io: Io, value: unknown): 0 {
  io.stdout.write(`${JSON.stringify(value, null, 2)}\n`)
  return 0
}
