using System.Net;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.Logging.Abstractions;
using Xunit;

namespace Paas.Receiver.Routing;

public sealed class AccessLogTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("access").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Theory]
    [InlineData("Common", """^127\.0\.0\.1 - anna \[\d\d/\w{3}/\d{4}:\d\d:\d\d:\d\d \+0000\] "GET /p\?q=%20\\x22 HTTP/1\.1" 200 5$""")]
    [InlineData("Combined", """^127\.0\.0\.1 - anna \[.*\] "GET /p\?q=%20\\x22 HTTP/1\.1" 200 5 "-" "a \\x22quoted\\x22 agent\\xe9"$""")]
    public async Task A_line_has_the_form_that_other_programs_read_and_nothing_in_it_ends_a_field(string format, string line)
    {
        await using (var house = await LoggingHouseAsync(Enum.Parse<AccessLogFormat>(format)))
        {
            house.House.Router.Assign("local/hello/web", ["k.test"], [house.House.Answering("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").Backend]);
            await house.House.TellAsync("GET /p?q=%20\" HTTP/1.1\r\nHost: k.test\r\nUser-Agent: a \"quoted\" agent\u00e9\r\nAuthorization: Basic YW5uYTp3b3Jk\r\nConnection: close\r\n\r\n");
        }

        Assert.Matches(line, File.ReadAllLines(AccessLog.FileOf(directory, "local/hello")).Single());
    }

    [Fact]
    public async Task Every_answer_leaves_a_line_with_its_bytes_also_one_of_unknown_length_and_of_nobody()
    {
        await using (var house = await LoggingHouseAsync(AccessLogFormat.Json))
        {
            var streaming = await house.House.ApplicationAsync(async context =>
            {
                for (var i = 0; i < 10; i++)
                {
                    await context.Response.WriteAsync(new string('x', 1000));
                    await context.Response.Body.FlushAsync();
                }
            });
            house.House.Router.Assign("local/hello/web", ["k.test"], [streaming]);
            await house.House.GetAsync("k.test", "/a?b=c");
            await house.House.GetAsync("nobody.test");
        }

        var hello = JsonDocument.Parse(File.ReadAllLines(AccessLog.FileOf(directory, "local/hello")).Single()).RootElement;
        Assert.Equal((200, 10_000L, "/a?b=c", "k.test", "local/hello/web", "127.0.0.1"), (
            hello.GetProperty("status").GetInt32(), hello.GetProperty("bytes").GetInt64(), hello.GetProperty("target").GetString(), hello.GetProperty("host").GetString(),
            hello.GetProperty("route").GetString(), hello.GetProperty("visitor").GetString()));
        Assert.Contains("\"status\":404", File.ReadAllLines(AccessLog.FileOf(directory, null)).Single(), StringComparison.Ordinal);
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(AccessLog.FileOf(directory, null)));
    }

    [Fact]
    public async Task However_much_is_visited_the_files_stay_bounded_and_the_newest_lines_are_there()
    {
        await using (var log = new AccessLog(directory, AccessLogFormat.Common, TimeProvider.System, NullLogger.Instance, fileSize: 10_000))
        {
            for (var i = 0; i < 10_000; i++)
            {
                log.Add(VisitOf($"/{i}"));
                if (i % 1000 == 999)
                {
                    await RouterTests.UntilAsync(() => log.Last("local/hello", 1) is [var last] && last.Contains($"/{i} ", StringComparison.Ordinal));
                }
            }

            var newest = log.Last("local/hello", 300);
            Assert.Equal(300, newest.Count);
            Assert.Equal(Enumerable.Range(9_700, 300), newest.Select(one => int.Parse(one.Split("GET /")[1].Split(' ')[0])));
        }

        var files = Directory.GetFiles(Path.Combine(directory, "local", "hello"));
        Assert.Equal(AccessLog.Files + 1, files.Length);
        Assert.All(files, file => Assert.InRange(new FileInfo(file).Length, 0, 11_000));
    }

    [Fact]
    public async Task A_disk_that_takes_nothing_delays_nobody()
    {
        Directory.CreateDirectory(Path.Combine(directory, "local"));
        await File.WriteAllTextAsync(Path.Combine(directory, "local", "hello"), "where the directory should be");
        await using var house = await LoggingHouseAsync(AccessLogFormat.Common);
        house.House.Router.Assign("local/hello/web", ["k.test"], [await house.House.NamedAsync("hello")]);

        for (var i = 0; i < 20; i++)
        {
            Assert.Equal("hello", await house.House.GetAsync("k.test"));
        }
    }

    async Task<LoggingHouse> LoggingHouseAsync(AccessLogFormat format)
    {
        var log = new AccessLog(directory, format, TimeProvider.System, NullLogger.Instance);
        return new LoggingHouse(await RoutingHouse.OpenAsync(new RouterOptions { AccessLog = log }), log);
    }

    static Visit VisitOf(string target) => new(
        TimeProvider.System.GetUtcNow(), "local/hello/web", IPAddress.Loopback, null, "GET", target, "HTTP/1.1", "k.test", 200, 5, TimeSpan.Zero, null, null, Tls: false);

    sealed record LoggingHouse(RoutingHouse House, AccessLog Log) : IAsyncDisposable
    {
        public async ValueTask DisposeAsync()
        {
            await House.DisposeAsync();
            await Log.DisposeAsync();
        }
    }
}
