using System.Net;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>What a new user does: one push, and the application answers at its own address.</summary>
public class AFirstPush
{
    [Fact]
    public async Task It_creates_the_project_and_the_application_answers()
    {
        await using var receiver = await ReceiverProcess.StartAsync();
        await using var git = await GitClient.NewAsync(receiver, "hello", "hello");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text + receiver.Output);
        Assert.Contains(push.Remote, line => line.StartsWith("-----> ", StringComparison.Ordinal));
        Assert.Contains(push.Remote, line => line.Contains($"http://hello.localhost:{receiver.Port}", StringComparison.Ordinal));
        var (status, body) = await receiver.AskAsync("hello.localhost");
        Assert.Equal(HttpStatusCode.OK, status);
        Assert.StartsWith("hello version 1 ", body, StringComparison.Ordinal);
        Assert.Equal(await git.HeadAsync(), await git.RemoteRefAsync());
    }

    [Fact]
    public async Task It_leaves_the_layout_of_the_RFC_on_disk()
    {
        await using var receiver = await ReceiverProcess.StartAsync();
        await using var git = await GitClient.NewAsync(receiver, "hello", "hello");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text + receiver.Output);
        var project = receiver.Project("hello");
        var release = Path.GetFileName(Directory.ResolveLinkTarget(Path.Combine(project, "deploy", "current"), returnFinalTarget: true)!.FullName);
        Assert.Equal("1\n", await File.ReadAllTextAsync(Path.Combine(project, "run", "VERSION")));
        Assert.Equal("1\n", await File.ReadAllTextAsync(Path.Combine(project, "project", "VERSION")));
        Assert.True(File.Exists(Path.Combine(project, "releases", release, "release.json")));
        Assert.Single(Directory.GetFiles(Path.Combine(project, "releases", release), "*.tar.zst"));
        Assert.True(Directory.Exists(Path.Combine(project, "data")));
        Assert.True(File.Exists(Path.Combine(project, "git", "project", "HEAD")));
    }

    [Fact]
    public async Task The_next_push_takes_its_place_without_a_failed_request()
    {
        await using var receiver = await ReceiverProcess.StartAsync();
        await using var git = await GitClient.NewAsync(receiver, "hello", "hello");
        var first = await git.PushAsync();
        Assert.True(first.Accepted, first.Text + receiver.Output);
        await using var visitor = Visitor.Start(receiver, "hello.localhost");
        await visitor.OneMoreAsync();

        await git.CommitFileAsync("VERSION", "2\n");
        var second = await git.PushAsync();

        Assert.True(second.Accepted, second.Text + receiver.Output);
        await visitor.OneMoreAsync();
        await visitor.StopAsync();
        Assert.Empty(visitor.Failures);
        Assert.StartsWith("hello version 2 ", (await receiver.AskAsync("hello.localhost")).Body, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Without_a_token_nothing_is_created()
    {
        await using var receiver = await ReceiverProcess.StartAsync();
        await using var git = await GitClient.NewAsync(receiver, "hello", "hello", token: "not-the-token-of-anybody");

        var push = await git.PushAsync();

        Assert.False(push.Accepted);
        Assert.False(Directory.Exists(receiver.Project("hello")));
    }
}
