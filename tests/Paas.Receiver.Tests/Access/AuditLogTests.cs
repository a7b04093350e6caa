using Dapper;
using Microsoft.Data.Sqlite;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Access;

public sealed class AuditLogTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("audit").FullName;
    readonly Database database;
    readonly AccessRoom room;

    public AuditLogTests()
    {
        database = Database.OpenOrCreate(Path.Combine(directory, "paas.db"));
        room = new AccessRoom(database, new ManualTime());
    }

    public void Dispose()
    {
        room.Dispose();
        database.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public void The_log_only_grows()
    {
        Add(3);

        Assert.Throws<SqliteException>(() => database.Write("UPDATE audit SET who = 'somebody else'"));
        Assert.Throws<SqliteException>(() => database.Write("DELETE FROM audit"));
        Assert.Equal(["1", "2", "3"], room.Audit.Read(0, 10).Select(line => line.Subject));
        Assert.Equal(["2", "1"], room.Audit.Newest(3, 10).Select(line => line.Subject));
        Assert.Null(room.Audit.FirstBroken());
    }

    [Theory]
    [InlineData("UPDATE audit SET who = 'mallory' WHERE number = 3", 3)]
    [InlineData("DELETE FROM audit WHERE number = 3", 4)]
    [InlineData("UPDATE audit SET detail = 'x' WHERE number = 1", 1)]
    public void A_line_that_somebody_changed_behind_our_back_is_found(string mischief, long found)
    {
        Add(5);
        database.Write("DROP TRIGGER audit_is_never_changed");
        database.Write("DROP TRIGGER audit_is_never_shortened");
        database.Write(mischief);

        Assert.Equal(found, room.Audit.FirstBroken());
    }

    [Fact]
    public async Task Lines_of_many_threads_make_one_chain()
    {
        await Parallel.ForEachAsync(Enumerable.Range(0, 50), async (_, _) =>
        {
            await Task.Yield();
            Add(1);
        });

        Assert.Equal(50, room.Audit.Read(0, 100).Count);
        Assert.Null(room.Audit.FirstBroken());
    }

    [Fact]
    public void A_database_of_before_learns_the_new_tables_and_one_of_later_is_refused()
    {
        var path = Path.Combine(directory, "old.db");
        using (var connection = new SqliteConnection($"Data Source={path};Pooling=False"))
        {
            connection.Open();
            foreach (var script in (string[])["001-projects.sql", "002-deployments.sql", "010-access.sql"])
            {
                using var reader = new StreamReader(typeof(Database).Assembly.GetManifestResourceStream(script)!);
                connection.Execute(reader.ReadToEnd());
            }

            connection.Execute("INSERT INTO tokens (name, selector, hash, is_admin, made_at) VALUES ('old', 1, x'00', 1, '2026-01-01T00:00:00Z'); PRAGMA user_version = 3");
        }

        using (var old = Database.OpenOrCreate(path))
        {
            Assert.Equal("old", Assert.Single(new Tokens(old, TimeProvider.System).List()).Name);
            old.Write("INSERT INTO schema_scripts (name) VALUES ('999-of-tomorrow.sql')");
        }

        Assert.Contains("999-of-tomorrow.sql", Assert.Throws<InvalidOperationException>(() => Database.OpenOrCreate(path)).Message, StringComparison.Ordinal);
    }

    void Add(int lines)
    {
        for (var i = 1; i <= lines; i++)
        {
            room.Audit.Add(new AuditEntry("alice", "token 1", "192.0.2.1", "test", i.ToString(), "200"));
        }
    }
}
