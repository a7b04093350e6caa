using System.Globalization;
using System.Text;
using Paas.Receiver.Logs;
using Paas.Receiver.Projects;
using Paas.Receiver.Runtimes;

namespace Paas.Receiver.LogDrains;

/// <summary>A line as a syslog message (RFC 5424) behind its length in bytes (RFC 6587, octet counting): so a message may hold anything, and none runs into the next.</summary>
static class Frame
{
    const int UserInfo = 14; // facility user, severity informational
    const int LongestApplication = 48;
    const int LongestText = 16 * 1024;

    public static byte[] Of(Project project, LogLine line, string host)
    {
        var application = $"{project.Environment.Name}.{project.Name}";
        var text = LogStream.Harmless(line.Text.Length > LongestText ? line.Text[..LongestText] : line.Text);
        var message = Encoding.UTF8.GetBytes(
            $"<{UserInfo}>1 {line.Time.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture)} {host} "
            + $"{application[..Math.Min(application.Length, LongestApplication)]} {line.Type}.{line.Number} - - {text}");
        return [.. Encoding.ASCII.GetBytes($"{message.Length} "), .. message];
    }
}
