using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace Paas.Receiver.ServiceControl;

/// <summary>Trouble in the contract's own form: a status that the client understands and the word <c>Error</c>.</summary>
sealed class ServiceControlException(int status, string message) : Exception(message)
{
    public int Status => status;
}

/// <summary>What a PUT asks for (reference 3.6). Formed by <see cref="Of"/> only.</summary>
sealed partial record Definition(string Tag, int Reservation, int Limit, int Port, IReadOnlyList<(string Name, string Value)> Environment)
{
    /// <summary>How it says that it is well; fixed when the service was created.</summary>
    public ServiceCheckWish Check { get; init; } = ServiceCheckWish.Default;

    /// <summary>Megabytes; docker gives a container no less.</summary>
    const int LeastMemory = 6;

    const int MostVariables = 1000;

    /// <exception cref="ServiceControlException">400, with every mistake.</exception>
    public static Definition Of(JsonElement body)
    {
        var mistakes = new List<string>();
        if (body.ValueKind != JsonValueKind.Object)
        {
            throw new ServiceControlException(StatusCodes.Status400BadRequest, "The body is not a JSON object.");
        }

        var tag = body.TryGetProperty("container-tag", out var given) && given.ValueKind == JsonValueKind.String ? given.GetString()! : "";
        if (!Tag_().IsMatch(tag))
        {
            mistakes.Add("container-tag must be a docker tag");
        }

        var (reservation, limit, port) = (Number("memory-reservation", 1, int.MaxValue), Number("memory-limit", 1, int.MaxValue), Number("container-port", 1, 65535));
        if (limit is { } most && (most < LeastMemory || most < reservation))
        {
            mistakes.Add($"memory-limit must be at least memory-reservation, and at least {LeastMemory}");
        }

        var environment = Variables(body, mistakes);
        foreach (var (name, _) in environment.Where(one => !Manifests.PillarReader.IsVariable(one.Name) || (Manifests.PillarReader.IsGiven(one.Name) && one.Name != "PORT")))
        {
            mistakes.Add($"'{Logs.LogStream.Harmless(name.Length > 60 ? name[..60] : name)}' cannot be set: a variable's name has letters, digits and '_', and PAAS_, PM_ and PAASTA_ are the receiver's");
        }

        environment = [.. environment.Where(one => one.Name != "PORT")]; // it is told its port as every application is
        return mistakes.Count == 0 ? new Definition(tag, reservation!.Value, limit!.Value, port!.Value, environment) : throw new ServiceControlException(StatusCodes.Status400BadRequest, string.Join("; ", mistakes) + ".");

        int? Number(string key, int least, int greatest)
        {
            if (body.TryGetProperty(key, out var value) && value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out var number) && number >= least && number <= greatest)
            {
                return number;
            }

            mistakes.Add($"{key} must be a whole number from {least}{(greatest == int.MaxValue ? "" : $" to {greatest}")}");
            return null;
        }
    }

    /// <summary>A health check as a POST may bring it along.</summary>
    /// <exception cref="ServiceControlException">400.</exception>
    public static ServiceCheckWish CheckOf(JsonElement body)
    {
        if (!body.TryGetProperty("health_check", out var check) || check.ValueKind == JsonValueKind.Null)
        {
            return ServiceCheckWish.Default;
        }

        if (check.ValueKind != JsonValueKind.Object)
        {
            throw Bad("health_check must be an object");
        }

        var (path, codes, interval) = (ServiceCheckWish.Default.RelPath, ServiceCheckWish.Default.StatusCodes, ServiceCheckWish.Default.Interval);
        if (check.TryGetProperty("rel_path", out var rel))
        {
            path = rel.ValueKind == JsonValueKind.String && rel.GetString() is { Length: <= 1000 } text && !text.Any(c => c <= ' ' || c == '\x7F') ? text.TrimStart('/') : throw Bad("rel_path must be a path");
        }

        if (check.TryGetProperty("status_codes", out var wanted))
        {
            codes = wanted.ValueKind == JsonValueKind.String && wanted.GetString() is { } text && Codes().IsMatch(text) ? text : throw Bad("status_codes must be text such as 200, 200,201 or 200-299");
        }

        if (check.TryGetProperty("interval", out var seconds))
        {
            interval = seconds.ValueKind == JsonValueKind.Number && seconds.TryGetInt32(out var number) && number is >= 1 and <= 3600 ? number : throw Bad("interval must be a number of seconds from 1 to 3600");
        }

        return new ServiceCheckWish(path, codes, interval);

        static ServiceControlException Bad(string text) => new(StatusCodes.Status400BadRequest, text + ".");
    }

    /// <summary>An object, or a list of objects with a name and a value; the last of a name wins. A '=' in a name is the client's greedy reading, and harmless.</summary>
    static IReadOnlyList<(string Name, string Value)> Variables(JsonElement body, List<string> mistakes)
    {
        var found = new Dictionary<string, string>(StringComparer.Ordinal);
        if (!body.TryGetProperty("environment", out var environment))
        {
            mistakes.Add("environment is missing");
        }
        else if (environment.ValueKind == JsonValueKind.Object)
        {
            foreach (var variable in environment.EnumerateObject())
            {
                Take(variable.Name, variable.Value);
            }
        }
        else if (environment.ValueKind == JsonValueKind.Array)
        {
            foreach (var item in environment.EnumerateArray())
            {
                if (item.ValueKind == JsonValueKind.Object && item.TryGetProperty("name", out var name) && name.ValueKind == JsonValueKind.String && item.TryGetProperty("value", out var value))
                {
                    Take(name.GetString()!, value);
                }
                else
                {
                    mistakes.Add("environment must hold objects with name and value");
                    break;
                }
            }
        }
        else
        {
            mistakes.Add("environment must be a list");
        }

        if (found.Count > MostVariables)
        {
            mistakes.Add($"environment has more than {MostVariables} variables");
        }

        return [.. found.Select(pair => (pair.Key, pair.Value))];

        void Take(string name, JsonElement value)
        {
            if (name.Length == 0 || name.Contains('\0', StringComparison.Ordinal) || value.ValueKind is JsonValueKind.Object or JsonValueKind.Array)
            {
                mistakes.Add("a variable needs a name and a single value");
            }
            else
            {
                // The client cuts A=b=c at its last '='; docker cuts at the first, and so the line is as it was.
                var line = $"{name}={(value.ValueKind == JsonValueKind.String ? value.GetString()! : value.GetRawText())}";
                var cut = line.IndexOf('=', StringComparison.Ordinal);
                found[line[..cut].Trim()] = line[(cut + 1)..];
            }
        }
    }

    public static string Stamp(DateTimeOffset moment) => moment.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\z", RegexOptions.None, 1000)]
    private static partial Regex Tag_();

    [GeneratedRegex(@"\A[1-5][0-9][0-9](?:-[1-5][0-9][0-9])?(?:,[1-5][0-9][0-9](?:-[1-5][0-9][0-9])?){0,20}\z", RegexOptions.None, 1000)]
    private static partial Regex Codes();
}
