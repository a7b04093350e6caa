using System.CommandLine;
using System.Diagnostics;
using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json;
using Paas.Receiver.Contract;

namespace Paas.Corpus.Commands;

/// <summary><c>corpus push-to-registry</c>: the image that <c>itest</c> made goes to where the receiver keeps images (PC-35, reference 3.6), unless it is there.</summary>
static class PushToRegistryCommand
{
    const int WholeCommit = 40;

    static readonly string[] Manifests =
    [
        "application/vnd.oci.image.index.v1+json", "application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json", "application/vnd.docker.distribution.manifest.v2+json",
    ];

    public static Command Create(Surroundings surroundings)
    {
        var (service, commit) = (ServiceCommands.Service(), ServiceCommands.Commit(required: true));
        var version = new Option<string?>("--image-version") { Description = "A suffix of the image's tag", HelpName = "VERSION" };
        var force = new Option<bool>("--force", "-f") { Description = "Push it although one of that tag is there" };
        var command = new Command("push-to-registry", "Push the image that itest made, unless the receiver has it. Exit: 0 it is there, 1 it is not") { service, commit, version, force };
        command.SetAction(async (parsed, ct) =>
        {
            if (surroundings.Only is not null)
            {
                throw new CorpusException(Exit.Usage, "push-to-registry runs where the image is; this is the receiver.");
            }

            var sha = parsed.GetValue(commit)!;
            if (sha.Length != WholeCommit || !sha.All(char.IsAsciiHexDigitLower))
            {
                throw new CorpusException(Exit.Failed, $"push-to-registry takes a whole commit, {WholeCommit} digits of 0-9 and a-f.");
            }

            var target = Target.Of(parsed, ServiceCommands.Stripped(parsed.GetValue(service)), surroundings);
            using var client = new ReceiverClient(target, surroundings);
            var project = await client.GetAsync(target.Path, ContractJson.Default.ProjectStatus, ct);
            var suffix = parsed.GetValue(version) is { } given ? $"-{given}" : "";
            var (tag, image) = ($"paasta-{sha}{suffix}", $"services-{project.Name}:paasta-{sha}{suffix}");
            var place = $"{target.Endpoint.Authority}/{project.Environment}/{project.Name}:{tag}";
            using var http = new HttpClient { BaseAddress = target.Endpoint };
            var manifest = $"v2/{project.Environment}/{project.Name}/manifests/{tag}";
            if (!parsed.GetValue(force) && await IsThereAsync(http, manifest, target.Token, ct))
            {
                await surroundings.SayAsync($"{place} is there already.");
                return Exit.Done;
            }

            await PushAsync(image, place, target, surroundings, ct);
            if (!await IsThereAsync(http, manifest, target.Token, ct))
            {
                throw new CorpusException(Exit.Failed, $"docker pushed {place}, and it is not there.");
            }

            await surroundings.SayAsync($"{place} is there.");
            return Exit.Done;
        });
        return command;
    }

    static async Task<bool> IsThereAsync(HttpClient http, string manifest, string? token, CancellationToken ct)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, manifest);
        request.Headers.Authorization = new AuthenticationHeaderValue("Basic", Login(token));
        foreach (var type in Manifests)
        {
            request.Headers.Accept.ParseAdd(type);
        }

        using var answer = await http.SendAsync(request, ct);
        return answer.StatusCode switch
        {
            HttpStatusCode.OK => true,
            HttpStatusCode.NotFound => false,
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden => throw new CorpusException(Exit.NotAllowed, "the token may not push images of this project."),
            var other => throw new CorpusException(Exit.Failed, $"the receiver keeps no images here: {(int)other}."),
        };
    }

    /// <summary>With a configuration of docker's for this push alone: a login is nobody else's, and in no argument.</summary>
    static async Task PushAsync(string image, string place, Target target, Surroundings surroundings, CancellationToken ct)
    {
        var directory = Directory.CreateTempSubdirectory("corpus-push-").FullName;
        try
        {
            var mine = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
            if (!OperatingSystem.IsWindows())
            {
                mine.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite;
            }

            await using (var file = new FileStream(Path.Combine(directory, "config.json"), mine))
            {
                await using var json = new Utf8JsonWriter(file);
                json.WriteStartObject();
                json.WriteStartObject("auths");
                json.WriteStartObject(target.Endpoint.Authority);
                json.WriteString("auth", Login(target.Token));
                json.WriteEndObject();
                json.WriteEndObject();
                json.WriteEndObject();
            }

            await DockerAsync(["tag", image, place], directory, surroundings, ct);
            try
            {
                await DockerAsync(["push", place], directory, surroundings, ct);
            }
            finally
            {
                // Its own name is enough for the image to stay.
                await DockerAsync(["rmi", place], directory, surroundings, CancellationToken.None);
            }
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }

    static string Login(string? token) => Convert.ToBase64String(Encoding.UTF8.GetBytes($"corpus:{token}"));

    static async Task DockerAsync(IReadOnlyList<string> arguments, string configuration, Surroundings surroundings, CancellationToken ct)
    {
        var start = new ProcessStartInfo("docker", arguments) { WorkingDirectory = surroundings.Directory, UseShellExecute = false };
        start.Environment["DOCKER_CONFIG"] = configuration;
        if (surroundings.Variable("DOCKER_HOST") is { } engine)
        {
            start.Environment["DOCKER_HOST"] = engine;
        }

        if (await surroundings.RunHereAsync(start, toError: true, ct) is var code and not 0)
        {
            throw new CorpusException(Exit.Failed, $"docker {arguments[0]} ended with exit code {code}.");
        }
    }
}
