using Dapper;
using Xunit;

namespace Paas.Receiver.Storage;

public sealed class DatabaseTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("database").FullName;
    readonly Database database;

    public DatabaseTests()
    {
        database = Database.OpenOrCreate(Path.Combine(directory, "receiver.db"));
        database.Write("CREATE TABLE things (name TEXT PRIMARY KEY, content BLOB)");
    }

    public void Dispose()
    {
        database.Dispose();
        Directory.Delete(directory, recursive: true);
    }

    [Fact]
    public void With_room_again_after_a_full_disk_it_is_written_to_as_before()
    {
        // What SQLite does of itself when the disk is full while a transaction is under way.
        Assert.Throws<IOException>(() => database.Write(connection =>
        {
            connection.Execute("INSERT INTO things VALUES ('first', NULL); ROLLBACK");
            return true ? throw new IOException("disk is full") : 0;
        }));

        Assert.Equal(1, database.Write("INSERT INTO things VALUES ('second', NULL)"));
        Assert.Equal(["second"], database.Read<string>("SELECT name FROM things"));
    }

    [Fact]
    public void Of_a_transaction_that_fails_nothing_is_left()
    {
        Assert.Throws<InvalidOperationException>(() => database.Write(connection =>
        {
            connection.Execute("INSERT INTO things VALUES ('first', NULL)");
            return true ? throw new InvalidOperationException("on purpose") : 0;
        }));
        Assert.Equal(1, database.Write("INSERT INTO things VALUES ('first', NULL)"));
    }
}
