using System.Data;
using System.Reflection;
using System.Runtime.InteropServices;
using Dapper;
using Microsoft.Data.Sqlite;

namespace Paas.Receiver.Storage;

/// <summary>The one SQLite file: write-ahead log, synchronous=FULL, so what was written is durable when the call returns.</summary>
/// <remarks>One writing connection behind a lock (SQLite has one writer anyway) and pooled reading ones, which never wait for it.</remarks>
sealed class Database : IDisposable
{
    // Databases of before 060 only say how many scripts they have seen.
    static readonly string[] FirstScripts = ["001-projects.sql", "002-deployments.sql", "010-access.sql"];

    readonly Lock writing = new();
    readonly SqliteConnection writer;
    readonly string connectionString;

    static Database()
    {
        // The bundled native library is behind on security fixes; the system's is patched by Debian.
        NativeLibrary.SetDllImportResolver(typeof(SQLitePCL.SQLite3Provider_e_sqlite3).Assembly, (name, _, _) =>
            name == "e_sqlite3" ? NativeLibrary.Load("libsqlite3.so.0") : nint.Zero);
        SQLitePCL.raw.SetProvider(new SQLitePCL.SQLite3Provider_e_sqlite3());
    }

    Database(string path)
    {
        connectionString = new SqliteConnectionStringBuilder { DataSource = path, Pooling = true }.ToString();
        writer = Open();
        Execute(writer, "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON");
    }

    /// <summary>Opens or creates the file (0600) and brings its tables up to the newest of the embedded <c>*.sql</c> scripts.</summary>
    public static Database OpenOrCreate(string path)
    {
        if (!File.Exists(path))
        {
            using var _ = new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.CreateNew,
                Access = FileAccess.Write,
                UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite,
            });
        }

        var database = new Database(path);
        database.Migrate();
        return database;
    }

    /// <summary>Runs one or more statements in one durable transaction; when one fails, none of them was made, and the next transaction is as good as any.</summary>
    public T Write<T>(Func<IDbConnection, T> work)
    {
        lock (writing)
        {
            TakeBack(); // what an earlier one could not
            Execute(writer, "BEGIN IMMEDIATE");
            try
            {
                var result = work(writer);
                Execute(writer, "COMMIT");
                return result;
            }
            catch
            {
                TakeBack();
                throw;
            }
        }
    }

    /// <summary>Runs one statement durably and returns the number of rows it changed.</summary>
    public int Write(string sql, object? parameters = null) => Write(connection => connection.Execute(sql, parameters));

    public IReadOnlyList<T> Read<T>(string sql, object? parameters = null)
    {
        using var connection = Open();
        return connection.Query<T>(sql, parameters).AsList();
    }

    public T? ReadOne<T>(string sql, object? parameters = null)
    {
        using var connection = Open();
        return connection.QueryFirstOrDefault<T>(sql, parameters);
    }

    /// <summary>A copy as of now in a new file (0600), whole and without a log beside it, while others write.</summary>
    public void CopyTo(string path)
    {
        using (new FileStream(path, new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write, UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite }))
        {
            // SQLite takes an empty file for a new database, and keeps its mode.
        }

        using var connection = Open();
        connection.Execute("VACUUM INTO @path", new { path });
    }

    public void Dispose()
    {
        lock (writing)
        {
            SqliteConnection.ClearPool(writer);
            writer.Dispose();
        }
    }

    SqliteConnection Open()
    {
        var connection = new SqliteConnection(connectionString);
        connection.Open();
        return connection;
    }

    // By name and not by number: scripts of different hands may come in any order, each runs once.
    void Migrate()
    {
        var assembly = Assembly.GetExecutingAssembly();
        var scripts = assembly.GetManifestResourceNames().Where(name => name.EndsWith(".sql", StringComparison.Ordinal)).Order(StringComparer.Ordinal).ToList();
        var numbered = writer.ExecuteScalar<int>("PRAGMA user_version");
        Execute(writer, "CREATE TABLE IF NOT EXISTS schema_scripts (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID");
        var done = writer.Query<string>("SELECT name FROM schema_scripts").ToHashSet(StringComparer.Ordinal);
        foreach (var counted in FirstScripts.Take(numbered).Where(done.Add))
        {
            writer.Execute("INSERT INTO schema_scripts (name) VALUES (@counted)", new { counted });
        }

        var unknown = done.Except(scripts).ToList();
        if (unknown.Count > 0)
        {
            throw new InvalidOperationException($"The database was written by a newer receiver (this one does not know {string.Join(", ", unknown)}). Start that one.");
        }

        foreach (var script in scripts.Where(script => !done.Contains(script)))
        {
            using var reader = new StreamReader(assembly.GetManifestResourceStream(script)!);
            var sql = reader.ReadToEnd();
            Write(_ =>
            {
                Execute(writer, sql);
                return writer.Execute("INSERT INTO schema_scripts (name) VALUES (@script)", new { script });
            });
        }
    }

    // On a full disk SQLite takes a transaction back by itself. SqliteTransaction would not know, fail at taking it back again, and let the connection begin no other one for ever.
    void TakeBack()
    {
        if (SQLitePCL.raw.sqlite3_get_autocommit(writer.Handle!) == 0)
        {
            Execute(writer, "ROLLBACK");
        }
    }

    static void Execute(SqliteConnection connection, string sql)
    {
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        command.ExecuteNonQuery();
    }
}
