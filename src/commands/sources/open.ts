import { OperatorError } from '../../errors.js'
import { openCsv } from './csv.js'
import { openMysql, openPostgres } from './databases.js'
import { kindOfFile, openNdjson } from './files.js'
import type { Selection, Source } from './source.js'
import { openSqlite } from './sqlite.js'

/** Opens what `gatehouse import SOURCE` names: a file, or the URL of a database. @throws OperatorError */
export async function openSource(given: string, selection: Selection): Promise<Source> {
  if (selection.table !== undefined && selection.query !== undefined) {
    throw new OperatorError('Give --table or --query, not both')
  }
  if (/^postgres(ql)?:\/\//.test(given)) return openPostgres(given, selection)
  if (/^(mysql|mariadb):\/\//.test(given)) return openMysql(given, selection)
  if (/^[a-z]+:\/\//.test(given)) {
    throw new OperatorError('SOURCE is a file, or the URL of a postgres:// or mysql:// database')
  }
  const kind = await kindOfFile(given)
  if (kind === 'sqlite') return openSqlite(given, selection)
  if (selection.table ?? selection.query) {
    throw new OperatorError('--table and --query are for databases and SQLite files')
  }
  return kind === 'csv' ? openCsv(given) : openNdjson(given)
}
