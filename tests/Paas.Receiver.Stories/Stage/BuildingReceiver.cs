namespace Paas.Receiver.Stage;

/// <summary>A receiver whose builds find this machine's package registries as this machine's user does: through a file, as an operator would give it.</summary>
public sealed class BuildingReceiver : SharedReceiver, IDisposable
{
    readonly string file = Path.GetTempFileName();

    protected override IReadOnlyDictionary<string, string> Settings
    {
        get
        {
            File.WriteAllLines(file, Machine());
            return new Dictionary<string, string> { ["PAAS_BUILD_ENV"] = file };
        }
    }

    public void Dispose() => File.Delete(file);

    /// <summary>False, and the reason printed, where a program is not on this machine: then the story cannot be told here.</summary>
    internal static bool Has(params string[] programs)
    {
        var missing = programs.Where(program => !"/usr/local/bin:/usr/bin:/bin:/usr/sbin".Split(':').Any(directory => File.Exists(Path.Combine(directory, program)))).ToList();
        if (missing.Count > 0)
        {
            Console.WriteLine($"skipped: {string.Join(", ", missing)} not on this machine");
        }

        return missing.Count == 0;
    }

    static IEnumerable<string> Machine()
    {
        var home = Environment.GetEnvironmentVariable("HOME") ?? "/root";
        foreach (var (name, path) in new[] { ("NPM_CONFIG_USERCONFIG", ".npmrc"), ("RestoreConfigFile", ".nuget/NuGet/NuGet.Config"), ("PIP_CONFIG_FILE", ".config/pip/pip.conf") })
        {
            if (File.Exists(Path.Combine(home, path)))
            {
                yield return $"{name}=file:{Path.Combine(home, path)}";
            }
        }

        foreach (System.Collections.DictionaryEntry variable in Environment.GetEnvironmentVariables())
        {
            var name = (string)variable.Key;
            if (name.EndsWith("_proxy", StringComparison.OrdinalIgnoreCase) || name.StartsWith("npm_config_", StringComparison.OrdinalIgnoreCase) || name.StartsWith("NUGET_CERT", StringComparison.Ordinal)
                || name is "NODE_EXTRA_CA_CERTS" or "SSL_CERT_FILE" or "SSL_CERT_DIR" or "DOTNET_ROOT")
            {
                yield return $"{name}={variable.Value}";
            }
        }
    }
}
