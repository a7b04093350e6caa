using System.Security.Cryptography;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;
using Paas.Receiver.Releases;
using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Deployments;

public sealed class SpaceTests : IDisposable
{
    const long Unit = 1_000_000; // a gigabyte here

    readonly string root = Directory.CreateTempSubdirectory("space").FullName;
    readonly Database database;
    readonly ProjectStore projects;
    readonly ReleaseStore releases;
    readonly ImageStore.RegistryServer registry;
    readonly LogStream log;
    readonly Project project;

    public SpaceTests()
    {
        Directory.CreateDirectory(Path.Combine(root, "state"));
        database = Database.OpenOrCreate(Path.Combine(root, "state", "receiver.db"));
        projects = ProjectStore.Open(database, new Projects.Environment(EnvironmentName.Parse("local"), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, root, IsDefault: true), TimeProvider.System);
        releases = new ReleaseStore(database, TimeProvider.System);
        project = projects.FindOrCreate(null, ProjectName.Parse("hello"));
        registry = new ImageStore.RegistryServer(Path.Combine(root, "state"), null, TimeProvider.System, Microsoft.Extensions.Logging.Abstractions.NullLogger<ImageStore.RegistryServer>.Instance);
        log = LogStream.Open(Path.Combine(root, "log"));
    }

    public void Dispose()
    {
        log.Dispose();
        database.Dispose();
        Directory.Delete(root, recursive: true);
    }

    [Fact]
    public void The_parts_add_up_and_a_file_with_several_names_counts_once()
    {
        Fill(project.Data, "file", 400_000);
        Fill(Path.Combine(project.Build, "cache"), "cached", 300_000);
        Fill(project.Checkout, "code", 200_000);
        Directory.CreateDirectory(Path.Combine(project.Deploy, "one"));
        using (var from = DirectoryHandle.Open(project.Checkout))
        using (var to = DirectoryHandle.Open(Path.Combine(project.Deploy, "one")))
        {
            Assert.True(from.TryLink("code\0"u8, to, "code\0"u8));
        }

        Directory.CreateSymbolicLink(Path.Combine(project.Data, "outside"), "/usr");

        var report = Space(null).Measure(project);

        Assert.InRange(Part("data"), 400_000, 450_000);
        Assert.InRange(Part("build caches"), 300_000, 350_000);
        Assert.InRange(Part("checkout"), 200_000, 250_000);
        Assert.InRange(Part("releases"), 0, 50_000);
        Assert.InRange(Part("drafts"), 0, 50_000);
        Assert.InRange(report.Used, 900_000, 1_100_000);
        Assert.Null(report.QuotaGigabytes);

        long Part(string name) => report.Parts.Single(part => part.Name == name).Bytes;
    }

    [Fact]
    public void Without_a_limit_nothing_is_measured_and_nothing_moved()
    {
        Space(null).MakeRoom(project, log);

        Assert.Throws<Refusal>(() => Space(null).Enlarge(project));
        Assert.Throws<Refusal>(() => Space(null).Trim(project));
    }

    [Fact]
    public void When_room_is_low_the_build_caches_go_first()
    {
        var space = Space(5);
        Fill(project.Data, "file", 1_000_000);
        Fill(Path.Combine(project.Build, "cache"), "cached", 3_700_000);

        space.MakeRoom(project, log);

        Assert.False(Directory.Exists(Path.Combine(project.Build, "cache")));
        Assert.Equal(5, space.QuotaOf(project));
        Assert.Contains("the build caches went", Said(), StringComparison.Ordinal);
    }

    [Fact]
    public void Then_the_project_gets_five_more_as_long_as_its_environment_allows()
    {
        var space = Space(5);
        Fill(project.Data, "file", 9_300_000);

        space.MakeRoom(project, log);

        Assert.Equal(15, space.QuotaOf(project));
        Assert.Contains("may take 15 GB now", Said(), StringComparison.Ordinal);
    }

    [Fact]
    public void Then_it_is_refused_saying_where_to_look()
    {
        _ = projects.Change(projects.Default.Name, environment => environment with { QuotaGigabytes = 10 });
        var other = projects.FindOrCreate(null, ProjectName.Parse("other"));
        var space = Space(5);
        Assert.Equal(5, space.QuotaOf(other));
        Fill(project.Data, "file", 5_200_000);

        var refusal = Assert.Throws<Refusal>(() => space.MakeRoom(projects.Find(project.Key)!, log));

        Assert.Contains("the environment local may take 10 GB, and 5 GB of it are its other projects'", refusal.Message, StringComparison.Ordinal);
        Assert.Contains("corpus doctor hello", refusal.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void It_is_trimmed_by_five_but_not_below_what_it_takes()
    {
        var space = Space(15);
        Fill(project.Data, "file", 5_200_000);

        Assert.Equal(10, space.Trim(project));
        Assert.Contains("cannot be trimmed to 5 GB", Assert.Throws<Refusal>(() => space.Trim(project)).Message, StringComparison.Ordinal);
        Assert.Equal(10, space.QuotaOf(project));
        Assert.Equal(15, space.Enlarge(project));
        Assert.Throws<Refusal>(() => space.SetQuota(project, 7));
        Assert.Throws<Refusal>(() => space.SetQuota(project, -5));
        space.SetQuota(project, null);
        Assert.Null(space.QuotaOf(project));
    }

    [Fact]
    public void A_project_that_fills_up_between_deployments_is_said_once_at_each_level_and_again_only_after_it_was_well_below()
    {
        var space = Space(5);
        Fill(project.Data, "file", 4_000_000);
        Assert.Null(space.Look(project));
        Fill(project.Data, "more", 600_000);
        Assert.Equal(90, space.Look(project)!.Percent);
        Assert.Null(space.Look(project));
        Fill(project.Data, "yet more", 500_000);
        Assert.Equal(100, Space(5).Look(project)!.Percent); // a restart forgets nothing
        File.Delete(Path.Combine(project.Data, "yet more"));
        Assert.Null(space.Look(project)); // 92 %
        Assert.InRange(space.LastOf(project)!.Used, 4_500_000, 4_800_000);

        File.Delete(Path.Combine(project.Data, "more"));
        Assert.Null(space.Look(project)); // 80 %
        Fill(project.Data, "again", 1_200_000);
        var passed = space.Look(project)!;
        Assert.Equal((100, 5), (passed.Percent, passed.QuotaGigabytes));
        Assert.Null(Space(null).Look(project));
        Assert.Null(Space(null).LastOf(project));
    }

    Space Space(int? quota) => new(database, projects, releases, new DeploymentLogs(Path.Combine(root, "state")), registry, TimeProvider.System, quota, Unit);

    string Said()
    {
        log.Close();
        return File.ReadAllText(log.Path);
    }

    static void Fill(string directory, string name, int bytes)
    {
        Directory.CreateDirectory(directory);
        File.WriteAllBytes(Path.Combine(directory, name), RandomNumberGenerator.GetBytes(bytes));
    }
}
