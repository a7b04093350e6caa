using System.Diagnostics;
using System.Net;
using System.Text.Json;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>The hooks that <c>hooks/examples</c> ships, with the real servers, while somebody writes.</summary>
public sealed class LiveDatabases(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    const string Password = "it's a \\ pass%word";

    readonly ReceiverProcess receiver = shared.Receiver;

    [PostgresFact]
    public async Task A_postgresql_database_comes_back_with_its_release_and_from_a_backup_taken_while_it_is_written_to()
    {
        await using var server = await PostgresServer.StartAsync(Password);
        await using (var pillar = await GitClient.NewAsync(receiver, "postgres/pillar"))
        {
            await pillar.CommitFileAsync("init.sls", $"env:\n  DATABASE_URL: \"postgresql://shop:{Uri.EscapeDataString(Password)}@127.0.0.1:{server.Port}/shop\"\n");
            Assert.True((await pillar.PushAsync()).Accepted);
        }

        await using var git = await WithExampleAsync("postgres", "postgresql");
        await git.WriteAsync(".paas/hooks/upgrade.d/010_tables", "#!/bin/sh\nset -eu\npsql -q -v ON_ERROR_STOP=1 \"$DATABASE_URL\" -c 'CREATE TABLE one (n int); CREATE TABLE other (n int); INSERT INTO one VALUES (0)'\n", executable: true);
        await git.CommitAsync("Make the tables");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);

        // A release that spoils the database before it fails.
        await git.WriteAsync(".paas/hooks/upgrade.d/020_spoil", "#!/bin/sh\npsql -q -v ON_ERROR_STOP=1 \"$DATABASE_URL\" -c 'DROP TABLE other; ALTER TABLE one ADD COLUMN m int; CREATE TABLE junk (n int); CREATE SCHEMA more; DELETE FROM one'\nexit 1\n", executable: true);
        await git.CommitAsync("Spoil it");
        push = await git.PushAsync();
        Assert.False(push.Accepted);
        Assert.Contains("       database loaded as it was", push.Remote);
        Assert.Equal("0", await server.AskAsync("SELECT n FROM one"));
        Assert.Equal("one,other", await server.AskAsync("SELECT string_agg(tablename, ',' ORDER BY tablename) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')"));

        // Pairs are written in one transaction each: a backup that is of one moment has as many here as there.
        await using (var writer = server.Write("BEGIN; INSERT INTO one VALUES (1); SELECT pg_sleep(0.002); INSERT INTO other VALUES (1); COMMIT;"))
        {
            await Patience.UntilAsync(async () => int.Parse(await server.AskAsync("SELECT count(*) FROM other")) > 20, "it is being written to");
            Assert.Equal("done", await AskAsync("postgres", "backup", """{"live": true}"""));
        }

        Assert.Equal("done", await AskAsync("postgres", "restore", "{}"));
        var (one, other) = (int.Parse(await server.AskAsync("SELECT count(*) FROM one")), int.Parse(await server.AskAsync("SELECT count(*) FROM other")));
        Assert.True(other > 20, $"{other} rows");
        Assert.Equal(one, other + 1);
        Assert.DoesNotContain(Directory.EnumerateFiles(Path.Combine(receiver.Root, "state", "deployments"), "*", SearchOption.AllDirectories), log => File.ReadAllText(log).Contains("pass%word", StringComparison.Ordinal));
    }

    [SqliteFact]
    public async Task A_sqlite_file_comes_back_with_its_release_and_from_a_backup_taken_while_it_is_written_to()
    {
        await using var git = await WithExampleAsync("sqlite", "sqlite");
        await git.WriteHookAsync("deploy", "sqlite3 \"$PAAS_DATA_DIR/shop.sqlite3\" 'PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS one (n); CREATE TABLE IF NOT EXISTS other (n);' >/dev/null");
        await git.WriteAsync("writer.py", """
            import os, sqlite3, time
            file = os.path.join(os.environ["PAAS_DATA_DIR"], "shop.sqlite3")
            base = None
            while True:
                try:
                    base = base or sqlite3.connect(file, timeout=60, isolation_level=None)
                    base.execute("BEGIN IMMEDIATE")
                    base.execute("INSERT INTO one VALUES (1)")
                    time.sleep(0.002)
                    base.execute("INSERT INTO other VALUES (1)")
                    base.execute("COMMIT")
                    time.sleep(0.01)  # others want to write too
                except sqlite3.OperationalError:
                    base = None
                    time.sleep(0.05)
            """);
        await git.WriteAsync("Procfile", "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\nwriter: exec /usr/bin/python3 writer.py\n");
        await git.CommitAsync("Write all the time");
        var push = await git.PushAsync();
        Assert.True(push.Accepted, push.Text);
        await Patience.UntilAsync(() => Count("one") > 20, "it is being written to");

        Assert.Equal("done", await AskAsync("sqlite", "backup", """{"live": true}"""));
        var after = Count("one");
        await Patience.UntilAsync(() => Count("one") > after + 20, "it goes on being written to");
        Assert.Equal("done", await AskAsync("sqlite", "restore", "{}"));
        Assert.Equal("ok", Sqlite("PRAGMA integrity_check"));

        // A release that spoils it before it fails; the writer of the old one goes on behind it.
        await git.WriteAsync(".paas/hooks/upgrade.d/020_spoil", "#!/bin/sh\nsqlite3 -cmd '.timeout 60000' \"$PAAS_DATA_DIR/shop.sqlite3\" 'DROP TABLE other; CREATE TABLE junk (n);'\nexit 1\n", executable: true);
        await git.CommitAsync("Spoil it");
        push = await git.PushAsync();
        Assert.False(push.Accepted);
        Assert.Contains("       shop.sqlite3 is as it was", push.Remote);
        Assert.Equal("0", Sqlite("SELECT count(*) FROM sqlite_master WHERE name = 'junk'"));
        var (one, other) = (Sqlite("SELECT (SELECT count(*) FROM one) - (SELECT count(*) FROM other)"), Count("other"));
        Assert.Equal("0", one);
        Assert.True(other > 20);
    }

    int Count(string table) => int.TryParse(Sqlite($"SELECT count(*) FROM {table}"), out var count) ? count : 0;

    string Sqlite(string query)
    {
        var start = new ProcessStartInfo("/usr/bin/sqlite3", ["-cmd", ".timeout 60000", Path.Combine(receiver.Project("sqlite"), "data", "shop.sqlite3"), query]) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        using var process = Process.Start(start)!;
        var answer = process.StandardOutput.ReadToEnd().Trim();
        process.WaitForExit();
        return answer;
    }

    async Task<string> AskAsync(string project, string what, string json)
    {
        var (status, body) = await receiver.AskApiAsync(HttpMethod.Post, $"api/v1/projects/-/{project}/{what}", json);
        Assert.True(status == HttpStatusCode.Accepted, body);
        using var accepted = JsonDocument.Parse(body);
        var url = accepted.RootElement.GetProperty("url").GetString()!.TrimStart('/');
        string? outcome = null;
        await Patience.UntilAsync(
            async () =>
            {
                using var state = JsonDocument.Parse((await receiver.AskApiAsync(HttpMethod.Get, url)).Body);
                outcome = state.RootElement.TryGetProperty("outcome", out var ended) ? ended.GetString() + (ended.GetString() == "done" ? "" : state.RootElement.ToString()) : null;
                return outcome is not null;
            },
            $"{what} of {project} ends");
        return outcome!;
    }

    async Task<GitClient> WithExampleAsync(string project, string example)
    {
        var git = await GitClient.NewAsync(receiver, project);
        await git.WriteAsync("Procfile", "web: exec /usr/bin/python3 -m http.server --bind 127.0.0.1 \"$PORT\"\n");
        foreach (var file in Directory.EnumerateFiles(Path.Combine(Places.Top, "hooks", "examples", example)))
        {
            await git.WriteAsync($".paas/hooks/{Path.GetFileName(file)}", await File.ReadAllTextAsync(file), executable: (File.GetUnixFileMode(file) & UnixFileMode.UserExecute) != UnixFileMode.None);
        }

        return git;
    }
}

/// <summary>Runs where SQLite's program is, else is skipped with the reason.</summary>
public sealed class SqliteFactAttribute : FactAttribute
{
    public SqliteFactAttribute() => Skip = File.Exists("/usr/bin/sqlite3") ? null : "sqlite3 is not installed";
}
