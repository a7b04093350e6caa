using System.Diagnostics;
using Xunit;

namespace Paas.Receiver.Logs;

public sealed class LogStreamTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("log-").FullName;

    string Place => Path.Combine(directory, "one.log");

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public async Task A_follower_reads_what_was_said_and_what_is_said_until_the_end()
    {
        using var log = LogStream.Open(Place);
        log.Title("one");
        await using var lines = log.FollowAsync().GetAsyncEnumerator();
        Assert.True(await lines.MoveNextAsync());
        Assert.Equal("-----> one", lines.Current);
        var next = lines.MoveNextAsync().AsTask();
        Assert.False(next.IsCompleted);

        log.Output("two");
        Assert.True(await next);
        Assert.Equal("       two", lines.Current);
        log.Close();
        Assert.False(await lines.MoveNextAsync());
        Assert.Equal(["       two"], await ReadAsync(log, from: 1));
    }

    [Fact]
    public async Task Followers_of_any_speed_read_the_same_lines()
    {
        using var log = LogStream.Open(Place);
        var followers = Enumerable.Range(0, 4).Select(_ => Task.Run(() => ReadAsync(log))).ToList();
        for (var number = 0; number < 5000; number++)
        {
            log.Output($"line {number}");
        }

        log.Close();
        foreach (var lines in await Task.WhenAll(followers))
        {
            Assert.Equal(Enumerable.Range(0, 5000).Select(number => $"       line {number}"), lines);
        }
    }

    [Fact]
    public async Task Too_much_output_is_cut_to_its_beginning_and_its_end_and_the_receivers_own_lines_stay()
    {
        using var log = LogStream.Open(Place);
        log.Title("Running a build that shouts");
        for (var number = 0; number < 300_000; number++)
        {
            log.Output($"line {number} of what nobody wants to read");
        }

        log.Trouble("it failed");
        log.Output("and one more");
        log.Close();

        var lines = await ReadAsync(log);
        Assert.InRange(new FileInfo(Place).Length, LogStream.MostBytes, LogStream.MostBytes + (1 << 20));
        Assert.Equal("-----> Running a build that shouts", lines[0]);
        Assert.Equal("       line 0 of what nobody wants to read", lines[1]);
        var cut = lines.FindIndex(line => line.EndsWith(" lines left out", StringComparison.Ordinal));
        Assert.StartsWith("       … more output than is kept", lines[cut - 1], StringComparison.Ordinal);
        Assert.Equal($"       … {300_000 - (cut - 2) - LogStream.LastLines:N0} lines left out", lines[cut]);
        Assert.Equal(["       line 299999 of what nobody wants to read", " !     it failed", "       and one more"], lines[^3..]);
    }

    [Fact]
    public async Task What_a_full_disk_does_not_take_followers_still_read()
    {
        using var disk = new SmallDisk(directory);
        if (!disk.IsMounted)
        {
            Console.WriteLine("No small file system can be mounted here: a full disk was not tried.");
            return;
        }

        using var log = LogStream.Open(Path.Combine(disk.Directory, "full.log"));
        for (var number = 0; number < 5000; number++)
        {
            log.Output($"line {number}");
        }

        log.Close();
        Assert.Equal(Enumerable.Range(0, 5000).Select(number => $"       line {number}"), await ReadAsync(log));
    }

    [Fact]
    public async Task A_log_that_was_cut_off_goes_on_in_a_new_line()
    {
        await File.WriteAllTextAsync(Place, "-----> one\n       half a li");
        using var log = LogStream.Open(Place);
        log.Title("two");
        log.Close();

        Assert.Equal(["-----> one", "       half a li", "-----> two"], await ReadAsync(log));
    }

    [Fact]
    public async Task A_log_that_was_pruned_is_empty()
    {
        using var log = LogStream.Open(Place);
        log.Title("one");
        log.Close();
        File.Delete(Place);

        Assert.Empty(await ReadAsync(log));
    }

    [Fact]
    public async Task A_secret_is_masked_where_a_line_is_cut_and_where_it_holds_strange_characters()
    {
        using var log = LogStream.Open(Place);
        log.Mask("tooth\u202ebrush");
        log.Mask("sec");
        log.Mask("word-of-honour");
        log.Output(new string('x', 4085) + "word-of-honour");
        log.Output("tooth\u202ebrush and word-of-honour, second");
        log.Close();

        var lines = await ReadAsync(log);
        Assert.DoesNotContain("w", lines[0], StringComparison.Ordinal);
        Assert.Equal("       ******** and ********, second", lines[1]);
    }

    [Theory]
    [InlineData("plain", "plain")]
    [InlineData("tab\there", "tab\there")]
    [InlineData("\u001b[31mred", "␛[31mred")]
    [InlineData("bell\a back\b null\0", "bell\ufffd back\ufffd null\ufffd")]
    [InlineData("c1 \u009b31m", "c1 \ufffd31m")]
    [InlineData("\u202eabc\u2066\u200f\u2028", "\ufffdabc\ufffd\ufffd\ufffd")]
    [InlineData("naïve 日本語 😀", "naïve 日本語 😀")]
    public void Harmless_text_cannot_steer_a_terminal(string text, string harmless) => Assert.Equal(harmless, LogStream.Harmless(text));

    [Fact]
    public void Half_of_a_surrogate_pair_is_replaced() => Assert.Equal("half \ufffd", LogStream.Harmless("half " + (char)0xd83d));

    [Fact]
    public async Task Further_lines_of_a_text_stand_under_its_first()
    {
        using var log = LogStream.Open(Place);
        log.Trouble("two mistakes:\n  one\r\n  another");
        log.Close();

        Assert.Equal([" !     two mistakes:", "         one", "         another"], await ReadAsync(log));
    }

    static async Task<List<string>> ReadAsync(LogStream log, int from = 0)
    {
        var lines = new List<string>();
        await foreach (var line in log.FollowAsync(from))
        {
            lines.Add(line);
        }

        return lines;
    }

    /// <summary>A file system of 16 kB, where we may mount one.</summary>
    sealed class SmallDisk : IDisposable
    {
        public SmallDisk(string below)
        {
            Directory = System.IO.Directory.CreateDirectory(Path.Combine(below, "full")).FullName;
            IsMounted = System.Environment.UserName == "root" && Run("mount", "-t", "tmpfs", "-o", "size=16k", "tmpfs", Directory) == 0;
        }

        public string Directory { get; }

        public bool IsMounted { get; }

        public void Dispose()
        {
            if (IsMounted)
            {
                Run("umount", "--lazy", Directory);
            }
        }

        static int Run(string program, params string[] arguments)
        {
            using var process = Process.Start(new ProcessStartInfo(program, arguments) { UseShellExecute = false })!;
            process.WaitForExit();
            return process.ExitCode;
        }
    }
}
