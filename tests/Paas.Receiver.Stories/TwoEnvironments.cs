using System.Net;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Issue 3, item 1: platforms side by side on one machine.</summary>
public sealed class TwoEnvironments(SharedReceiver shared) : IClassFixture<SharedReceiver>
{
    readonly ReceiverProcess receiver = shared.Receiver;

    [Fact]
    public async Task Projects_of_the_same_name_live_side_by_side_and_outlive_a_restart()
    {
        var (made, _) = await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", """{"type":"qa","name":"qa","tags":{"region":"north"}}""");
        Assert.Equal(HttpStatusCode.Created, made);
        await using var one = await GitClient.NewAsync(receiver, "twin", "hello");
        await using var other = await GitClient.NewAsync(receiver, "qa/twin", "hello");
        await other.CommitFileAsync("VERSION", "7\n");

        Assert.True((await one.PushAsync()).Accepted);
        var push = await other.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains(push.Remote, line => line.Contains($"http://twin.qa.localhost:{receiver.Port}", StringComparison.Ordinal));
        await BothAnswerAsync();
        Assert.True(Directory.Exists(Path.Combine(receiver.Root, "environments", "qa", "projects", "twin", "deploy", "current")));

        await receiver.StopAsync();
        await receiver.StartAgainAsync();
        await BothAnswerAsync();

        async Task BothAnswerAsync()
        {
            Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("twin.localhost")).Body, StringComparison.Ordinal);
            Assert.StartsWith("hello version 1 ", (await receiver.AskAsync("twin.local.localhost")).Body, StringComparison.Ordinal);
            Assert.StartsWith("hello version 7 ", (await receiver.AskAsync("twin.qa.localhost")).Body, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_configure_step_and_an_instance_see_where_they_are()
    {
        await receiver.AskApiAsync(HttpMethod.Post, "api/v1/environments", """{"type":"test","name":"tagged","tags":{"region":"south"}}""");
        await using var git = await GitClient.NewAsync(receiver, "tagged/facts", "hello");
        await git.WriteHookAsync("configure", "echo \"configured for $PAAS_ENVIRONMENT_TYPE $PAAS_ENVIRONMENT_TAGS\"");
        await git.WriteAsync("Procfile", "release: echo \"released with $PM_METADATA\"\nweb: exec /usr/bin/python3 app.py\n");
        await git.CommitAsync("Say where");

        var push = await git.PushAsync();

        Assert.True(push.Accepted, push.Text);
        Assert.Contains("""configured for staging {"region":"south"}""", push.Text, StringComparison.Ordinal);
        Assert.Contains("\"workspace\":{\"region\":\"south\"}", push.Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_is_destroyed_answers_nowhere_leaves_no_process_and_may_come_again()
    {
        await using var git = await GitClient.NewAsync(receiver, "doomed", "hello");
        Assert.True((await git.PushAsync()).Accepted);
        Assert.Equal(HttpStatusCode.OK, (await receiver.AskAsync("doomed.localhost")).Status);

        var (gone, _) = await receiver.AskApiAsync(HttpMethod.Delete, "api/v1/projects/-/doomed");

        Assert.Equal(HttpStatusCode.NoContent, gone);
        Assert.Equal(HttpStatusCode.NotFound, (await receiver.AskAsync("doomed.localhost")).Status);
        Assert.False(Directory.Exists(receiver.Project("doomed")));
        Assert.Empty(Leftovers.Of(receiver.Project("doomed")));
        await Patience.UntilAsync(() => !Directory.EnumerateDirectories(Path.Combine(receiver.Root, "projects"), ".demolished-*").Any(), "the directory is deleted");
        var again = await git.PushAsync();
        Assert.True(again.Accepted, again.Text);
        Assert.Contains(again.Remote, line => line.Contains("v1 is live", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_push_to_an_environment_that_is_not_there_makes_nothing()
    {
        await using var git = await GitClient.NewAsync(receiver, "nosuch/hello", "hello");

        Assert.False((await git.PushAsync()).Accepted);

        Assert.False(Directory.Exists(Path.Combine(receiver.Root, "environments", "nosuch")));
    }
}
