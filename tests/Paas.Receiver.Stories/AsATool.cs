using Paas.Receiver.Processes;
using Paas.Receiver.Stage;
using Xunit;

namespace Paas.Receiver;

/// <summary>Issue 5, item 5: <c>corpus</c> as a dotnet tool.</summary>
public sealed class AsATool
{
    [Fact]
    public async Task Corpus_is_packed_installed_from_a_directory_and_runs()
    {
        var place = Places.NewScratch("tool");
        var (source, tools) = (Path.Combine(place, "source"), Path.Combine(place, "tools"));
        var root = Path.GetFullPath(Path.Combine(System.Runtime.InteropServices.RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        Dictionary<string, string> variables = new()
        {
            ["HOME"] = System.Environment.GetEnvironmentVariable("HOME") ?? place,
            ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
            ["DOTNET_NOLOGO"] = "1",
            ["DOTNET_ROOT"] = root,
            ["DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"] = "1",
            ["NUGET_PACKAGES"] = System.Environment.GetEnvironmentVariable("NUGET_PACKAGES") ?? Path.Combine(System.Environment.GetFolderPath(System.Environment.SpecialFolder.UserProfile), ".nuget", "packages"),
        };
        var dotnet = Path.Combine(root, "dotnet");

        // What the build of these tests has made; nothing is built again.
        await Run("pack", Path.Combine(Places.Top, "receiver", "Paas.Corpus"), "--no-build", "-c", Configuration, "-o", source, "-nologo", "-v", "q");
        await File.WriteAllTextAsync(Path.Combine(place, "nuget.config"), $"<configuration><packageSources><clear/><add key=\"here\" value=\"{source}\"/></packageSources></configuration>");
        await Run("tool", "install", "--tool-path", tools, "--configfile", Path.Combine(place, "nuget.config"), "Paas.Corpus");

        var help = await new Command(Path.Combine(tools, "corpus"), "--help").With(variables).OutputAsync();
        Assert.Contains("listhosts", help, StringComparison.Ordinal);
        var refused = await new Command(Path.Combine(tools, "corpus"), "status", "--endpoint", "http://127.0.0.1:1").With(variables).RunAsync();
        Assert.Equal(3, refused.ExitCode);
        Directory.Delete(place, recursive: true);

        Task<string> Run(params string[] arguments) => new Command(dotnet, arguments) { Directory = place }.With(variables).OutputAsync();
    }

#if DEBUG
    const string Configuration = "Debug";
#else
    const string Configuration = "Release";
#endif
}
