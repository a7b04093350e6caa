using Paas.Receiver.Projects;
using Xunit;

namespace Paas.Receiver.Manifests;

/// <summary>What repositories say of their build, in everybody's files.</summary>
public sealed class BuildWishesTests : IDisposable
{
    readonly string directory = Directory.CreateTempSubdirectory("wishes-").FullName;

    public void Dispose() => Directory.Delete(directory, recursive: true);

    [Fact]
    public void Buildpacks_are_named_by_configuration_then_manifest_then_files()
    {
        Write("project.toml", "[_]\nschema-version = \"0.2\"\n[[io.buildpacks.group]]\nid = \"heroku/nodejs\" # ours\n");
        Assert.Equal(("heroku/nodejs", "project.toml"), One());
        Write("app.json", """{ "buildpacks": [ { "url": "heroku/python" } ] /* tolerated */ }""");
        Assert.Equal(("heroku/python", "app.json"), One());
        Write(".buildpacks", "# a comment\n\nhttps://host/pack.git#v1\n");
        Assert.Equal(("https://host/pack.git#v1", ".buildpacks"), One());
        Write("app.json", """{ "paas": { "buildpacks": [ "ruby" ] } }""");
        Assert.Equal(("ruby", "app.json's paas section"), One());
        Write("Procfile", "web: x\n");
        Assert.Equal(("ruby", "app.json's paas section"), One());
        Assert.Equal(("./mine", "BUILDPACK_URL"), One(new() { ["BUILDPACK_URL"] = "./mine" }));
    }

    [Fact]
    public void A_project_descriptor_gives_variables_and_leaves_files_out_in_both_of_its_versions()
    {
        Write("project.toml", """
            [project]
            name = "x" # env = "not this"
            [build]
            exclude = [ "docs/", # said "why"
              '*.md' ]
            [[build.env]]
            name = "A"
            value = "one # not a comment \"quoted\""
            [[io.buildpacks.build.env]]
            name = 'B'
            value = 'two'
            """);

        var wishes = BuildWishes.Read(directory, null, new Dictionary<string, string>());

        Assert.Equal(new Dictionary<string, string> { ["A"] = "one # not a comment \"quoted\"", ["B"] = "two" }, wishes.Environment);
        Assert.Equal(["docs/", "*.md"], wishes.LeftOut);
    }

    [Fact]
    public void An_app_json_is_read_whole()
    {
        Write("Procfile", "web: serve\n");
        Write("app.json", """
            {
              "name": "x", "description": "y", "keywords": ["a"], "repository": "z", "addons": ["db"], "stack": "heroku-22",
              "env": {
                "PLAIN": "value", "FULL": { "description": "d", "value": "v" }, "SECRET": { "generator": "secret" },
                "NEEDED": { "description": "where it is", "required": true }, "WISHED": { "description": "w", "required": false },
              },
              "formation": { "web": { "quantity": 2, "size": "standard" } },
              "scripts": { "postdeploy": "once", "dokku": { "predeploy": "before" } },
              "healthchecks": { "web": [ { "type": "startup", "path": "/up", "attempts": 2, "timeout": 3, "wait": 4, "initialDelay": 1 } ] },
              "cron": [ { "command": "clean", "schedule": "0 3 * * *" } ],
            }
            """);

        var manifest = ManifestReader.Read(directory);

        Assert.Equal(new Dictionary<string, string> { ["PLAIN"] = "value", ["FULL"] = "v" }, manifest.Environment);
        Assert.Equal(["SECRET"], manifest.Generated);
        Assert.Equal("where it is", manifest.Required["NEEDED"]);
        Assert.Equal(2, manifest.ProcessTypes[0].Quantity);
        Assert.Equal(["before"], manifest.BuildCommands);
        Assert.Equal(("once", true), (manifest.PostDeploy, manifest.PostDeployOnce));
        Assert.Equal(new HealthCheck("/up", TimeSpan.FromSeconds(15)), manifest.Health);
        Assert.Equal([new CronCommand("0 3 * * *", "clean")], manifest.CronCommands);
    }

    [Fact]
    public void All_mistakes_of_an_app_json_are_said_at_once()
    {
        Write("Procfile", "web: serve\n");
        Write("app.json", """{ "env": { "1X": "a", "PORT": "1", "G": { "generator": "dice" } }, "cron": [ { "schedule": "often", "command": "x" } ], "paas": { "netwrok": true } }""");

        var message = Assert.Throws<Refusal>(() => ManifestReader.Read(directory)).Message;

        foreach (var part in new[] { "5 mistakes", "env.1X", "env.PORT", "'dice'", "'often'", "did you mean 'network'" })
        {
            Assert.Contains(part, message);
        }
    }

    (string Name, string? By) One(Dictionary<string, string>? pillar = null)
    {
        var wishes = BuildWishes.Read(directory, ManifestReader.Find(directory), pillar ?? []);
        return (Assert.Single(wishes.Buildpacks), wishes.NamedBy);
    }

    void Write(string name, string text) => File.WriteAllText(Path.Combine(directory, name), text);
}
