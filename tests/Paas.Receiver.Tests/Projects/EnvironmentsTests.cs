using Paas.Receiver.Storage;
using Xunit;

namespace Paas.Receiver.Projects;

public sealed class EnvironmentsTests : IDisposable
{
    readonly string root = Directory.CreateTempSubdirectory("environments").FullName;
    Database database;
    ProjectStore store;

    public EnvironmentsTests()
    {
        database = Database.OpenOrCreate(Path.Combine(root, "receiver.db"));
        store = Open("local");
    }

    public void Dispose()
    {
        database.Dispose();
        Directory.Delete(root, recursive: true);
    }

    [Fact]
    public void The_default_one_is_there_from_the_start_and_keeps_its_uuid()
    {
        var uuid = store.Default.Uuid;
        Assert.Equal(("local", true, root), (store.Default.Name.Value, store.Default.IsDefault, store.Default.Root));
        Assert.NotEqual(Guid.Empty, uuid);

        Assert.Equal(uuid, Reopened().Default.Uuid);
    }

    [Theory]
    [InlineData("dev", EnvironmentType.Dev, Mode.Editable)]
    [InlineData("staging", EnvironmentType.Staging, Mode.Cooking)]
    [InlineData("preprod", EnvironmentType.Staging, Mode.Cooking)]
    [InlineData("qa", EnvironmentType.Staging, Mode.Cooking)]
    [InlineData("test", EnvironmentType.Staging, Mode.Cooking)]
    [InlineData("prod", EnvironmentType.Prod, Mode.Final)]
    internal void A_type_brings_its_mode(string word, EnvironmentType type, Mode mode)
    {
        var made = store.Create(null, word, fresh => fresh);

        Assert.Equal((word, type, mode), (made.Name.Value, made.Type, made.Mode));
        Assert.Equal(Path.Combine(root, "environments", word), made.Root);
        Assert.True(Directory.Exists(made.Root));
    }

    [Fact]
    public void What_it_was_made_with_is_there_after_a_restart()
    {
        var made = store.Create(EnvironmentName.Parse("live"), "prod", fresh => fresh with
        {
            Mode = Mode.Cooking,
            QuotaGigabytes = 15,
            Tags = new Dictionary<string, string> { ["region"] = "north", ["tier"] = "gold" },
            ReleaseSource = "env:staging",
        });
        var project = store.FindOrCreate(made.Name, ProjectName.Parse("hello"));

        var again = Reopened();

        var found = again.FindEnvironment(made.Name)!;
        Assert.Equal((made.Uuid, Mode.Cooking, 15, "env:staging"), (found.Uuid, found.Mode, found.QuotaGigabytes, found.ReleaseSource));
        Assert.Equal(["region=north", "tier=gold"], found.Tags.Select(tag => $"{tag.Key}={tag.Value}"));
        Assert.Equal(found, again.FindEnvironment(found.Uuid.ToString()));
        Assert.Equal(project.Directory, again.Find("live/hello")!.Directory);
    }

    [Fact]
    public void Without_a_name_it_gets_its_types_and_then_a_number()
    {
        Assert.Equal(["prod", "prod2", "prod3"], Enumerable.Range(0, 3).Select(_ => store.Create(null, "prod", fresh => fresh).Name.Value));
        Assert.Equal(["local", "prod", "prod2", "prod3"], store.Environments().Select(environment => environment.Name.Value));
    }

    [Fact]
    public void Projects_of_the_same_name_stand_side_by_side()
    {
        var qa = store.Create(EnvironmentName.Parse("qa"), "qa", fresh => fresh);
        var one = store.FindOrCreate(null, ProjectName.Parse("hello"));
        var other = store.FindOrCreate(qa.Name, ProjectName.Parse("hello"));

        Assert.Equal(("local/hello", "qa/hello"), (one.Key, other.Key));
        File.WriteAllText(Path.Combine(other.Data, "x"), "");
        Assert.Empty(Directory.EnumerateFileSystemEntries(one.Data));
        Assert.Equal([other], store.List(qa));
    }

    [Theory]
    [InlineData("quota 7")]
    [InlineData("quota -5")]
    [InlineData("name local")]
    [InlineData("name hello")]
    [InlineData("name git")]
    [InlineData("type production")]
    [InlineData("tag a b")]
    [InlineData("tag \n")]
    public void What_cannot_be_is_refused_and_leaves_nothing(string what)
    {
        store.FindOrCreate(null, ProjectName.Parse("hello"));
        var (kind, value) = (what.Split(' ', 2)[0], what.Split(' ', 2)[1]);

        Assert.Throws<Refusal>(() => store.Create(
            kind == "name" ? EnvironmentName.Parse(value) : null, kind == "type" ? value : "dev",
            fresh => kind switch
            {
                "quota" => fresh with { QuotaGigabytes = int.Parse(value) },
                "tag" => fresh with { Tags = new Dictionary<string, string> { [value] = "" } },
                _ => fresh,
            }));

        Assert.Single(store.Environments());
        Assert.False(Directory.Exists(Path.Combine(root, "environments", "dev")));
    }

    [Fact]
    public void Two_who_make_the_same_one_at_once_get_one_refusal()
    {
        var made = 0;
        Parallel.For(0, 8, _ =>
        {
            try
            {
                store.Create(EnvironmentName.Parse("qa"), "qa", fresh => fresh);
                Interlocked.Increment(ref made);
            }
            catch (Refusal)
            {
                // The other seven.
            }
        });

        Assert.Equal(1, made);
    }

    [Fact]
    public void A_change_reaches_the_projects_that_are_there()
    {
        var qa = store.Create(EnvironmentName.Parse("qa"), "qa", fresh => fresh);
        store.FindOrCreate(qa.Name, ProjectName.Parse("hello"));

        store.Change(qa.Name, before => before with { Mode = Mode.Final });

        Assert.Equal(Mode.Final, store.Find("qa/hello")!.Environment.Mode);
        Assert.Throws<Refusal>(() => store.Change(qa.Name, before => before with { QuotaGigabytes = 3 }));
        Assert.Equal(Mode.Final, Reopened().Find("qa/hello")!.Environment.Mode);
    }

    [Fact]
    public void A_project_that_was_removed_leaves_its_name_only_when_it_is_cleared()
    {
        var project = store.FindOrCreate(null, ProjectName.Parse("hello"));
        File.WriteAllText(Path.Combine(project.Data, "x"), "");

        var gone = store.Remove(project);

        Assert.Null(store.Find("local/hello"));
        Assert.False(Directory.Exists(project.Directory));
        Assert.Throws<Refusal>(() => store.FindOrCreate(null, project.Name));
        Assert.Equal([gone], Reopened().Leftovers()); // as after a crash here
        Assert.Throws<Refusal>(() => store.FindOrCreate(null, project.Name));
        store.Cleared(gone);
        Assert.Empty(Directory.EnumerateFileSystemEntries(store.FindOrCreate(null, project.Name).Data));
        Assert.Equal([gone.Directory], store.PutAside());
    }

    [Fact]
    public void An_environment_goes_only_when_it_is_empty_and_the_default_one_never()
    {
        var qa = store.Create(EnvironmentName.Parse("qa"), "qa", fresh => fresh);
        var project = store.FindOrCreate(qa.Name, ProjectName.Parse("hello"));
        Assert.Throws<Refusal>(() => store.Remove(qa));
        Assert.Throws<Refusal>(() => store.Remove(store.Default));

        store.Cleared(store.Remove(project));
        store.Remove(qa);

        Assert.Null(store.FindEnvironment(qa.Name));
        Assert.False(Directory.Exists(qa.Root));
        Assert.NotEqual(qa.Uuid, store.Create(EnvironmentName.Parse("qa"), "qa", fresh => fresh).Uuid);
    }

    [Fact]
    public void The_roots_own_environment_may_be_called_otherwise_until_something_was_pushed()
    {
        store = Reopened("renamed");
        Assert.Equal("renamed", Assert.Single(store.Environments()).Name.Value);
        store.FindOrCreate(null, ProjectName.Parse("hello"));

        Assert.Contains("called 'renamed'", Assert.Throws<Refusal>(() => Reopened("local")).Message, StringComparison.Ordinal);
        store = Reopened("renamed");
        store.Create(EnvironmentName.Parse("qa"), "qa", fresh => fresh);
        store.Cleared(store.Remove(store.Find("renamed/hello")!));
        Assert.Throws<Refusal>(() => Reopened("qa"));
    }

    ProjectStore Open(string name) => ProjectStore.Open(
        database, new Environment(EnvironmentName.Parse(name), Guid.Empty, EnvironmentType.Staging, Mode.Cooking, root, IsDefault: true), TimeProvider.System);

    ProjectStore Reopened(string name = "")
    {
        name = name.Length > 0 ? name : store.Default.Name.Value;
        database.Dispose();
        database = Database.OpenOrCreate(Path.Combine(root, "receiver.db"));
        return store = Open(name);
    }
}
