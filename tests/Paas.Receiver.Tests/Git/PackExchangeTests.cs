using System.IO.Pipelines;
using System.Text;
using Paas.Receiver.GitHttp;
using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Git;

public class PackExchangeTests
{
    [Fact]
    public async Task Over_one_open_line_as_ssh_has_it_a_push_ends_when_git_ends_though_the_line_stays_open()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var project = receiver.Projects.FindOrCreate(null, ProjectName.Parse("shop"));
        await new GitRepository(project.ProjectRepository, receiver.Git).CreateAsync();
        var tree = await receiver.NewWorkTreeAsync("shop.git");
        var push = await RawPush.OfAsync(tree, "refs/heads/main");
        var (line, said) = (new Pipe(), new MemoryStream());
        await line.Writer.WriteAsync(push.Whole);

        using var open = receiver.Pushes.Open(new Push("0123", project, RepositoryKind.Project, "me", "ssh"), makesProject: false);
        var result = await new PackExchange(receiver.Git)
            .ReceivePackAsync(open, stateless: false, protocol: null, line.Reader.AsStream(), said, CancellationToken.None).WaitAsync(TimeSpan.FromSeconds(30));

        Assert.Equal(new ExchangeResult(0, ""), result);
        Assert.Contains("ok refs/heads/main", Encoding.UTF8.GetString(said.ToArray()), StringComparison.Ordinal);
        Assert.Equal(await tree.HeadAsync(), await receiver.Repository("shop").ReadRefAsync("refs/heads/main"));
    }

    [Fact]
    public async Task A_cloner_who_goes_away_stops_git()
    {
        await using var receiver = await PushingReceiver.StartAsync();
        var project = receiver.Projects.FindOrCreate(null, ProjectName.Parse("shop"));
        var repository = new GitRepository(project.ProjectRepository, receiver.Git);
        await repository.CreateAsync();
        using var gone = new CancellationTokenSource();

        var serving = new PackExchange(receiver.Git).UploadPackAsync(repository, stateless: false, protocol: null, new Pipe().Reader.AsStream(), Stream.Null, gone.Token);
        await gone.CancelAsync();

        Assert.NotEqual(0, (await serving.WaitAsync(TimeSpan.FromSeconds(30))).ExitCode);
    }

    [Theory]
    [InlineData("version=2", true)]
    [InlineData("version=1:version=2", true)]
    [InlineData("", false)]
    [InlineData(null, false)]
    [InlineData("version=2\nGIT_DIR=/", false)]
    [InlineData("version=2::", false)]
    [InlineData("$(touch x)", false)]
    public void Only_a_protocol_that_looks_like_one_reaches_git(string? text, bool passes) =>
        Assert.Equal(passes ? text : null, PackExchange.ProtocolOf(text));
}
