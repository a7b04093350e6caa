using System.Text;
using FsCheck;
using FsCheck.Fluent;
using Paas.Receiver.Processes;
using Paas.Receiver.Projects;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Git;

public sealed class OpenPushesTests : IAsyncLifetime
{
    readonly Scratch scratch = new();
    readonly Database database;
    readonly ProjectStore projects;
    readonly string state;

    public OpenPushesTests()
    {
        state = scratch.At("state");
        database = Database.OpenOrCreate(Path.Combine(state, "receiver.db"));
        var environment = new Paas.Receiver.Projects.Environment(
            Paas.Receiver.Projects.EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, scratch.At("srv"), IsDefault: true);
        projects = ProjectStore.Open(database, environment, TimeProvider.System);
    }

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        database.Dispose();
        await scratch.DisposeAsync();
    }

    [Fact]
    public void A_push_has_a_private_directory_while_it_is_open_and_none_afterwards()
    {
        var pushes = new OpenPushes(state);
        using (var open = pushes.Open(NewPush(), makesProject: false))
        {
            var directory = open.HookEnvironment["PAAS_PUSH"];
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(directory));
            Assert.Equal(["PAAS_PUSH", "PAAS_RING"], open.HookEnvironment.Keys.Order());
            Assert.Same(open, pushes.Find("0123"));
        }

        Assert.Equal(0, pushes.Count);
        Assert.Empty(Directory.GetFileSystemEntries(Path.Combine(state, "pushes")));
    }

    [Fact]
    public async Task A_hook_that_waits_for_a_killed_receiver_fails_as_soon_as_the_next_one_starts()
    {
        // What a receiver that is killed leaves: the directory and its pipes, and nobody at their other end.
        var directory = Path.Combine(state, "pushes", "0123");
        Directory.CreateDirectory(directory);
        Fifo.Create(Path.Combine(directory, "update.answer"));
        await File.WriteAllTextAsync(Path.Combine(directory, "deploys"), "refs/heads/main\n");
        var pushes = new OpenPushes(state);
        var hook = new Command(Path.Combine(AppContext.BaseDirectory, "hooks", "update"), "refs/heads/main", "0", "1")
            .With([new("PAAS_PUSH", directory), new("PAAS_RING", pushes.Ring)]).RunAsync();

        // The sweep must help whether the hook waits in open already or comes only afterwards.
        pushes.SweepLeftovers(scratch.Git, new Newcomers(projects, scratch.Git));

        Assert.NotEqual(0, (await hook.WaitAsync(TimeSpan.FromSeconds(20))).ExitCode);
        Assert.False(Directory.Exists(directory));
    }

    [Fact]
    public async Task The_project_that_a_killed_receiver_had_just_made_is_taken_back()
    {
        var project = projects.FindOrCreate(null, ProjectName.Parse("shop"));
        await new GitRepository(project.ProjectRepository, scratch.Git).CreateAsync();
        var directory = Path.Combine(state, "pushes", "0123");
        Directory.CreateDirectory(directory);
        await File.WriteAllTextAsync(Path.Combine(directory, "new-project"), project.Key);

        new OpenPushes(state).SweepLeftovers(scratch.Git, new Newcomers(projects, scratch.Git));

        Assert.Null(projects.Find(project.Key));
        Assert.False(Directory.Exists(project.Directory));
    }

    [Fact]
    public void What_pre_receive_tells_is_read_options_with_line_breaks_included()
    {
        var (options, updates) = OpenPush.ParseRequest(Encoding.UTF8.GetBytes(
            $"2\0one\ntwo\0\0{new string('0', 40)} {new string('a', 40)} refs/heads/main\n{new string('b', 40)} {new string('0', 40)} refs/heads/ü\n"));

        Assert.Equal(["one\ntwo", ""], options);
        Assert.Equal(["refs/heads/main", "refs/heads/ü"], updates.Select(update => update.Name));
        Assert.True(updates[0].IsCreation);
        Assert.True(updates[1].IsDeletion);
    }

    [Theory]
    [InlineData("")]
    [InlineData("1\0cut off")]
    [InlineData("-1\0")]
    [InlineData("0\0no newline at the end")]
    [InlineData("0\0short line\n")]
    [InlineData("99999999999\0")]
    public void A_file_that_was_cut_off_is_no_request(string text) =>
        Assert.Throws<InvalidDataException>(() => OpenPush.ParseRequest(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void No_bytes_make_the_reading_fail_otherwise() =>
        Prop.ForAll<byte[]>(bytes =>
        {
            try
            {
                OpenPush.ParseRequest([(byte)'0', 0, .. bytes]);
            }
            catch (InvalidDataException)
            {
                // Said, not thrown past anybody.
            }
        }).QuickCheckThrowOnFailure();

    Push NewPush() => new("0123", new Project(projects.Default, ProjectName.Parse("shop")), RepositoryKind.Project, "me", "127.0.0.1");
}
